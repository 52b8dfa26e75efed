"""Where the invented sign-ups live, and what people are called there, in their script and in Latin."""

from dataclasses import dataclass

Spelt = tuple[str, str]
"""A name in its own script and in Latin letters."""


@dataclass(frozen=True, slots=True)
class Place:
    """A state with its GST code, cities (with the first three digits of their PIN codes) and names."""

    state: str
    gst_code: str
    cities: tuple[tuple[str, str], ...]
    given: tuple[Spelt, ...]
    family: tuple[Spelt, ...]
    trader: Spelt


def _spelt(text: str) -> tuple[Spelt, ...]:
    """Read `native Latin, native Latin, …`."""
    pairs = (pair.rsplit(" ", 1) for pair in text.split(", "))
    return tuple((native, latin) for native, latin in pairs)


PLACES = (
    Place(
        "Uttar Pradesh",
        "09",
        (("Lucknow", "226"), ("Kanpur", "208"), ("Varanasi", "221")),
        _spelt("आशा Asha, रमेश Ramesh, सुनीता Sunita, विजय Vijay, कृष्णा Krishna, अंजलि Anjali"),
        _spelt("शर्मा Sharma, वर्मा Verma, मिश्रा Mishra, गुप्ता Gupta, त्रिपाठी Tripathi"),
        ("ट्रेडर्स", "Traders"),
    ),
    Place(
        "Maharashtra",
        "27",
        (("Pune", "411"), ("Mumbai", "400"), ("Nagpur", "440")),
        _spelt("स्नेहा Sneha, मंगेश Mangesh, श्रीधर Shridhar, वैशाली Vaishali, प्रकाश Prakash"),
        _spelt("कुलकर्णी Kulkarni, देशपांडे Deshpande, पाटील Patil, जोशी Joshi, गायकवाड Gaikwad"),
        ("उद्योग", "Udyog"),
    ),
    Place(
        "Tamil Nadu",
        "33",
        (("Chennai", "600"), ("Coimbatore", "641"), ("Madurai", "625")),
        _spelt("கார்த்திக் Karthik, மீனாட்சி Meenakshi, செல்வி Selvi, முருகன் Murugan, ஸ்ரீதேவி Sridevi"),
        _spelt("சுப்பிரமணியன் Subramanian, ராஜேந்திரன் Rajendran, பாண்டியன் Pandian, குமார் Kumar"),
        ("வணிகம்", "Vanigam"),
    ),
    Place(
        "Telangana",
        "36",
        (("Hyderabad", "500"), ("Warangal", "506")),
        _spelt("లక్ష్మి Lakshmi, వెంకటేష్ Venkatesh, సాయి Sai, పద్మ Padma, శ్రీనివాస్ Srinivas"),
        _spelt("రెడ్డి Reddy, రావు Rao, నాయుడు Naidu, చౌదరి Chowdary"),
        ("ట్రేడర్స్", "Traders"),
    ),
    Place(
        "West Bengal",
        "19",
        (("Kolkata", "700"), ("Siliguri", "734")),
        _spelt("অনির্বাণ Anirban, মৌসুমী Mousumi, সুব্রত Subrata, শ্রেয়া Shreya, তন্ময় Tanmay"),
        _spelt("বন্দ্যোপাধ্যায় Bandyopadhyay, চট্টোপাধ্যায় Chattopadhyay, ঘোষ Ghosh, সেন Sen, দাস Das"),
        ("ভাণ্ডার", "Bhandar"),
    ),
    Place(
        "Gujarat",
        "24",
        (("Ahmedabad", "380"), ("Surat", "395"), ("Rajkot", "360")),
        _spelt("હર્ષદ Harshad, જિજ્ઞા Jigna, મુકેશ Mukesh, કિંજલ Kinjal, ધવલ Dhaval"),
        _spelt("પટેલ Patel, શાહ Shah, મહેતા Mehta, દેસાઈ Desai, ત્રિવેદી Trivedi"),
        ("ટ્રેડિંગ", "Trading"),
    ),
    Place(
        "Karnataka",
        "29",
        (("Bengaluru", "560"), ("Mysuru", "570"), ("Hubballi", "580")),
        _spelt("ರಾಘವೇಂದ್ರ Raghavendra, ಸುಮಿತ್ರಾ Sumitra, ಮಂಜುನಾಥ್ Manjunath, ಕಾವ್ಯ Kavya, ಲೋಕೇಶ್ Lokesh"),
        _spelt("ಗೌಡ Gowda, ಹೆಗಡೆ Hegde, ಶೆಟ್ಟಿ Shetty, ಭಟ್ Bhat"),
        ("ಸ್ಟೋರ್ಸ್", "Stores"),
    ),
    Place(
        "Kerala",
        "32",
        (("Kochi", "682"), ("Kozhikode", "673")),
        _spelt("അനിൽ Anil, ബിന്ദു Bindu, ഷാജി Shaji, ലക്ഷ്മി Lakshmi, ജോസഫ് Joseph"),
        _spelt("നായർ Nair, മേനോൻ Menon, കുര്യൻ Kurian, പിള്ള Pillai"),
        ("സ്റ്റോഴ്സ്", "Stores"),
    ),
    Place(
        "Punjab",
        "03",
        (("Ludhiana", "141"), ("Amritsar", "143")),
        _spelt("ਗੁਰਪ੍ਰੀਤ Gurpreet, ਹਰਜੀਤ Harjit, ਸਿਮਰਨ Simran, ਬਲਵਿੰਦਰ Balwinder"),
        _spelt("ਸਿੰਘ Singh, ਕੌਰ Kaur, ਗਰੇਵਾਲ Grewal, ਸਿੱਧੂ Sidhu"),
        ("ਟਰੇਡਰਜ਼", "Traders"),
    ),
    Place(
        "Odisha",
        "21",
        (("Bhubaneswar", "751"), ("Cuttack", "753")),
        _spelt("ସୁଭାଷ Subhash, ମମତା Mamata, ପ୍ରଶାନ୍ତ Prashanta, ସସ୍ମିତା Sasmita"),
        _spelt("ମହାପାତ୍ର Mohapatra, ପଣ୍ଡା Panda, ସାହୁ Sahoo, ଦାସ Das"),
        ("ଭଣ୍ଡାର", "Bhandar"),
    ),
    Place(
        "Jammu and Kashmir",
        "01",
        (("Srinagar", "190"), ("Jammu", "180")),
        _spelt("شبیر Shabir, نسرین Nasreen, مہ‌جبین Mahjabeen, طارق Tariq, عائشہ Ayesha"),
        _spelt("احمد Ahmad, بٹ Bhat, خان Khan, میر Mir"),
        ("ٹریڈرز", "Traders"),
    ),
    Place(
        "Goa",
        "30",
        (("Panaji", "403"),),
        _spelt("José José, Maria Maria, Joaquim Joaquim, Anita Anita, Conceição Conceição"),
        _spelt("D'Souza D'Souza, Fernandes Fernandes, Pereira Pereira, Naik Naik"),
        ("Armazém", "Stores"),
    ),
    Place(
        "Ladakh",
        "38",
        (("Leh", "194"),),
        _spelt("བསྟན་འཛིན Tenzin, སྟོབས་རྒྱས Stobgais, ཚེ་རིང Tsering"),
        _spelt("དབང་ཕྱུག Wangchuk, ནམ་རྒྱལ Namgyal, རྡོ་རྗེ Dorje"),
        ("Stores", "Stores"),
    ),
)

TRADES = (
    "Textiles",
    "Foods",
    "Logistics",
    "Agro",
    "Ceramics",
    "Software",
    "Steel",
    "Pharma",
    "Crafts",
    "Spices",
)
STREETS = (
    "Temple Road",
    "Station Road",
    "Gandhi Marg",
    "Market Street",
    "Lake View Road",
    "Industrial Estate",
)
AREAS = ("Old Town", "Civil Lines", "Sector 9", "Model Colony", "Gandhi Nagar", "Ward 12")
BANKS = ("DEMO", "ZZBK", "XMPL", "FAKE")
"""Bank codes nobody was given, so that no generated account can exist."""
HANDLES = ("demobank", "okdemo", "examplepay")
MAIL_DOMAINS = ("example.in", "example.com", "example.org")
