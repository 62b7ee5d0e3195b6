"""Reading one line of rules, and saying precisely where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator

MAX_RULES_LENGTH = 100_000
MAX_RULES = 1000


class RuleError(ValueError):
    """A rule cannot be read. ``line`` and ``column`` count from 1; the message says how to mend it."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column
        self.message = message


class Scanner:
    """A cursor over one line."""

    def __init__(self, text: str, line: int) -> None:
        self.text = text
        self.line = line
        self.position = 0

    def error(self, message: str, at: int | None = None) -> RuleError:
        return RuleError(self.line, (self.position if at is None else at) + 1, message)

    def skip_space(self) -> None:
        while self.position < len(self.text) and self.text[self.position] in " \t":
            self.position += 1

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.text)

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.position)

    def take(self, text: str) -> bool:
        """Consume ``text`` if it is next."""
        if self.peek(text):
            self.position += len(text)
            return True
        return False

    def word(self, stops: str = " \t") -> str:
        """Everything up to one of the characters in ``stops``; a backslash keeps the next character, whatever it is."""
        start = self.position
        while self.position < len(self.text) and self.text[self.position] not in stops:
            self.position += 2 if self.text[self.position] == "\\" else 1
        self.position = min(self.position, len(self.text))
        return self.text[start : self.position]

    def quoted(self) -> str:
        """A double-quoted text at the cursor, with ``\\"`` for a quote."""
        start = self.position
        self.position += 1
        parts: list[str] = []
        while not self.at_end:
            character = self.text[self.position]
            if character == '"':
                self.position += 1
                return "".join(parts)
            if character == "\\" and self.text[self.position + 1 : self.position + 2] == '"':
                self.position += 1
                character = '"'
            parts.append(character)
            self.position += 1
        raise self.error('this quote is never closed; add " at the end of the text', start)

    def value(self, stops: str = " \t") -> str:
        return self.quoted() if self.peek('"') else self.word(stops)


def rule_lines(text: str) -> Iterator[tuple[str, Scanner]]:
    """The lines that hold a rule, each with its scanner; comments and blank lines are left out. Raises RuleError."""
    if len(text) > MAX_RULES_LENGTH:
        raise RuleError(1, 1, f"the rules are longer than {MAX_RULES_LENGTH} characters; remove some")
    count = 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        count += 1
        if count > MAX_RULES:
            raise RuleError(number, 1, f"there are more than {MAX_RULES} rules; remove some")
        scanner = Scanner(line.rstrip(), number)
        scanner.skip_space()
        yield stripped, scanner
