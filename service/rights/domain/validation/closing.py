"""How programs end."""

from rights.domain.validation.checks import Checks, shown
from rights.v1 import rulebook_pb2 as pb

MAX_CONVERSIONS = 64
MAX_RATE_UNITS = 10**9


class ClosingChecks(Checks):
    """The checks of the closing of a program."""

    def _check_closing(self, path: str, program: pb.Program) -> None:
        closing = program.closing
        if not closing.HasField("end_time"):
            self._note(f"{path}.end_time", "is required")
        names = ("end_time", "stop_sale_time", "stop_earning_time")
        given = [name for name in names if closing.HasField(name)]
        sound = [name for name in given if self._check_timestamp(f"{path}.{name}", getattr(closing, name))]
        for name in sound[1:] if "end_time" in sound else ():
            time, end = getattr(closing, name), closing.end_time
            if time.ToNanoseconds() > end.ToNanoseconds():
                told = f"{time.ToJsonString()} is after end_time, {end.ToJsonString()}"
                self._note(f"{path}.{name}", told)
        first: dict[str, int] = {}
        conversions = self._bounded(f"{path}.conversions", closing.conversions, MAX_CONVERSIONS)
        for index, conversion in enumerate(conversions):
            at = f"{path}.conversions[{index}]"
            self._check_conversion(at, conversion, program.id)
            if first.setdefault(conversion.asset, index) != index:
                self._note(f"{at}.asset", f"{shown(conversion.asset)} is named twice")

    def _check_conversion(self, path: str, conversion: pb.Conversion, program_id: str) -> None:
        ends = f"an asset of program {program_id}"
        for name, is_of_it in (("asset", True), ("to_asset", False)):
            asset_id = getattr(conversion, name)
            asset = self._assets.get(asset_id)
            if asset is None:
                self._note(
                    f"{path}.{name}",
                    f"{shown(asset_id)} is not an asset; there are: {self._asset_ids.listed}",
                )
            elif (asset.program_id == program_id) != is_of_it:
                self._note(f"{path}.{name}", f"{shown(asset_id)} is {'not ' if is_of_it else ''}{ends}")
        self._check_range(f"{path}.from_units", conversion.from_units, 1, MAX_RATE_UNITS)
        self._check_range(f"{path}.to_units", conversion.to_units, 1, MAX_RATE_UNITS)
