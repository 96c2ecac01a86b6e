"""Rulebooks written by people: YAML files with the field names of the proto.

`load` reads a file into the Rulebook message and reports every mistake with its file, line and column:
those of YAML itself, unknown and repeated keys, values of the wrong type (see `rights.yaml_messages`), and then all
that `rights.domain.validation` finds, those inside a condition at the place in the condition.
"""

from pathlib import Path

from ruamel.yaml.nodes import ScalarNode

from rights.domain.validation import Mistake, validate
from rights.v1.rulebook_pb2 import Rulebook
from rights.yaml_messages import FileMistake, MessageReader, NotYamlError, ancestors, compose, parent
from rights.yaml_places import place_inside


def load(path: str | Path) -> tuple[Rulebook | None, list[FileMistake]]:
    """Reads a rulebook file: the rulebook and no mistakes, or None and every mistake in order of line.

    Never raises for what the file holds, nor for a file that cannot be read.
    """
    file = str(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        return None, [FileMistake(file, 1, 1, "", f"cannot be read: {error.strerror or error}")]
    return loads(content, file)


def loads(content: bytes, file: str) -> tuple[Rulebook | None, list[FileMistake]]:
    """As load, of a file's content; `file` is the name in the mistakes."""
    try:
        text, root = compose(content, file)
    except NotYamlError as error:
        return None, [error.mistake]
    reader = _RulebookReader(file, text)
    rulebook = Rulebook()
    if reader.read(root, rulebook):
        reader.add_semantic_mistakes(rulebook)
    mistakes = sorted(reader.mistakes, key=lambda m: (m.line, m.column))
    return (None if mistakes else rulebook), mistakes


class _RulebookReader(MessageReader):
    """Reads a rulebook and says where in the file the mistakes of its content are."""

    def add_semantic_mistakes(self, rulebook: Rulebook) -> None:
        """What validation finds, without what only follows from mistakes that are already noted."""
        noted = {mistake.path for mistake in self.mistakes}
        incomplete = {parent(path) for path in noted}
        around = {ancestor for path in noted for ancestor in ancestors(path)}
        ids_unread = any(self._hides_ids(path) for path in noted)
        for mistake in validate(rulebook):
            path = mistake.path
            # What is missing may be what could not be read; so may be what a reference names.
            unread = parent(path) in incomplete or not noted.isdisjoint(ancestors(path))
            missing = unread and path not in self.nodes
            if not (path in noted or path in around or missing or (ids_unread and _is_reference(path))):
                self.note_at(*self._place(mistake), path, mistake.message)

    def _hides_ids(self, noted: str) -> bool:
        """Whether a mistake may be why something has no id that it is referred to by."""
        around, node = parent(noted), self.nodes.get(noted)
        if not around:  # of the rulebook itself: a list, or what may have been meant as one
            field = Rulebook.DESCRIPTOR.fields_by_name.get(noted)
            return not isinstance(node, ScalarNode) or (field is not None and field.is_repeated)
        if noted.endswith("]"):
            return not parent(around)
        return not parent(parent(around)) and (noted == f"{around}.id" or f"{around}.id" not in self.nodes)

    def _place(self, mistake: Mistake) -> tuple[int, int]:
        """Line and column of the nearest node to the mistake's path; inside a CEL expression if it is in one."""
        path = mistake.path
        while path not in self.nodes:
            path = parent(path)
        node = self.nodes[path]
        if mistake.line and isinstance(node, ScalarNode):
            return place_inside(self.lines, node, mistake.line, mistake.column)
        return node.start_mark.line + 1, node.start_mark.column + 1


def _is_reference(path: str) -> bool:
    """Whether the field names something else, which may be what cannot be read."""
    return path.endswith(("_id", "asset"))
