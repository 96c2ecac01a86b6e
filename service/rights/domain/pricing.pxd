# The types that pricing.py handles, for when it is compiled: their fields are read from their place.

from rights_native._outcome cimport Priced
from rights_native._plan_views cimport Decision, Facts
from rights_native._views cimport Order, Wallet
