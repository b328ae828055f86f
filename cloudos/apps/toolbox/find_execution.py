"""The commands that find runs."""

from __future__ import annotations

from cloudos.apps.toolbox.commands import Runner
from cloudos.lang import U64, managed
from cloudos.sdk import List, Text

LONGEST = 60_000  # bytes of arguments; the loader takes 128 KB with what it adds to each
MOST = 1000  # files in one command


@managed
class Execution:
    """A command of `-exec`."""

    words: List[Text]
    many: bool
    # The files that the next command of many gets, and how many bytes their names are.
    gathered: List[Text]
    size: U64
    runner: Runner
    failed: bool

    def run(self, path: Text) -> bool:
        """Run it for a file; whether it succeeded. One that takes many files is run later."""
        if self.many:
            if self.gathered.length == MOST or self.size + path.length > LONGEST:
                self.flush()
            self.gathered.append(path)
            self.size += path.length + 1
            return True
        fields = List[Text]()
        for word in self.words:
            fields.append(path.join(word.split("{}")))
        return self.runner.run(fields) == 0

    def flush(self) -> None:
        """Run it for what was gathered."""
        fields = self.words.slice(U64(0), self.words.length)
        fields.extend(self.gathered)
        self.gathered.clear()
        self.size = U64(0)
        if self.runner.run(fields) != 0:
            self.failed = True

    def finish(self) -> bool:
        """Run it for what is left; whether all went well."""
        if self.gathered.length > 0:
            self.flush()
        return not self.failed
