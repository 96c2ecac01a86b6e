# The types that settling.py handles, for when it is compiled: their fields are read from their place.

from rights.domain.used cimport Used
from rights_native._outcome cimport Adjustment, Earning, Effects, Priced, Redemption
from rights_native._views cimport Order, Wallet
