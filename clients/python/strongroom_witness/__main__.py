"""`python -m strongroom_witness`"""

from strongroom_witness.entry import main

main()
