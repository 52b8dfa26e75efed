"""Lists of codes that others publish: countries, Indian states, kinds of company."""


def codes(text: str) -> frozenset[str]:
    """Split a text of codes."""
    return frozenset(text.split())


GST_STATES = frozenset(f"{code:02}" for code in range(1, 39)) | {"97"}
"""GST state code list: 01 to 38 (Ladakh) and 97 (other territory); python-stdnum lacks the last two."""

STATES = codes(
    "AN AP AR AS BR CG CH CT DD DH DL DN GA GJ HP HR JH JK KA KL LA LD LH MH ML MN MP MZ NL OD OR PB PY RJ "
    "SK TG TN TR TS UK UP UR UT WB"
)
"""States as company and Udyam registers write them: several go by two codes (OR and OD, TG and TS …)."""

OWNERSHIPS = codes("FLC FTC GAP GAT GOI NPL OPC PLC PTC SGC ULL ULT")
"""Kinds of company inside a CIN, as the Ministry of Corporate Affairs writes them."""

PAN_HOLDERS = frozenset("ABCFGHJKLPT")
"""Kinds of holder, the fourth letter of a PAN: those of python-stdnum."""

COUNTRIES = codes(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT "
    "BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH "
    "ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT "
    "HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS "
    "LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI "
    "NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG "
    "SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG "
    "UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "
)
"""ISO 3166-1 alpha-2."""
