# The types that ledger.py handles, for when it is compiled: their fields are read from their place.

from rights.domain.used cimport Used
from rights_native._outcome cimport Effects
from rights_native._views cimport Wallet
