"""Bounds of a document, checked before it is validated or run; the work is counted in tokens and fields."""

from collections.abc import Iterable, Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    Lexer,
    OperationDefinitionNode,
    SelectionSetNode,
    Source,
    TokenKind,
    parse,
)

from app.errors import BadRequest

CHARACTERS_MAX = 16_384
TOKENS_MAX = 1_000
"""Comments included: graphql-core keeps them in the list of tokens, to which each part of a document refers."""

NESTING_MAX = 50
"""Brackets within brackets."""

DIRECTIVES_MAX = 20
DEFINITIONS_MAX = 50
DEPTH_MAX = 15
"""Fields within fields; the usual query of tools for the schema has 14."""

ALIASES_MAX = 50
REPEATS_MAX = 8
"""Fields with the same name in the answer; the rule that compares them costs the square of their number."""

FIELDS_MAX = 3_000
VALUES_MAX, VALUES_DEPTH_MAX = 5_000, 12
BYTES, BYTES_OF_TOKEN, BYTES_OF_CHARACTER, BYTES_OF_FIELD = 4_000, 700, 9, 700
"""What a kept document holds at most: itself, each token with its node, each character (up to 4 bytes, and again in the
value of a string), and what is planned for each field, those of repeated fragments included.
"""

_OPENING = {TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L}
_CLOSING = {TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R}


class Malformed(BadRequest):
    """The text is no document of GraphQL."""

    code, title = "graphql_syntax", "This is not a GraphQL document"


class TooLarge(BadRequest):
    """The document or its variables exceed a bound of their size."""

    code, title = "too_large", "The document or its variables are too large"


class TooDeep(BadRequest):
    """There are too many levels."""

    code, title = "too_deep", "The document or its variables have too many levels"


class TooManyAliases(BadRequest):
    """There are too many aliases."""

    code, title = "too_many_aliases", "The document has too many aliases"


class TooManyDirectives(BadRequest):
    """There are too many directives."""

    code, title = "too_many_directives", "The document has too many directives"


class TooManyFields(BadRequest):
    """There are too many fields, or one of them is repeated too often."""

    code, title = "too_many_fields", "The document has too many fields"


class FragmentCycle(BadRequest):
    """A fragment contains itself."""

    code, title = "fragment_cycle", "A fragment contains itself"


def read_document(text: str) -> tuple[DocumentNode, int]:
    """The document, and an estimate of the bytes that it holds; raises one of the errors above."""
    if len(text) > CHARACTERS_MAX:
        raise TooLarge(f"at most {CHARACTERS_MAX} characters")
    try:
        tokens = _scan(text)
        document = parse(text)
    except GraphQLSyntaxError as error:
        raise Malformed(error.message) from None
    if len(document.definitions) > DEFINITIONS_MAX:
        raise TooLarge(f"at most {DEFINITIONS_MAX} operations and fragments")
    walk = Walk(document)
    walk.check()
    return document, BYTES + BYTES_OF_TOKEN * tokens + BYTES_OF_CHARACTER * len(text) + BYTES_OF_FIELD * walk.visited


def _scan(text: str) -> int:
    """The number of tokens and comments. The parser calls itself for each level, so levels are counted before."""
    lexer = Lexer(Source(text))
    token = lexer.token
    count = nested = directives = 0
    while (kind := (token := lexer.read_next_token(token.end)).kind) is not TokenKind.EOF:
        count += 1
        nested += (kind in _OPENING) - (kind in _CLOSING)
        directives += kind is TokenKind.AT
        if count > TOKENS_MAX:
            raise TooLarge(f"at most {TOKENS_MAX} tokens, comments included")
        if nested > NESTING_MAX:
            raise TooDeep(f"at most {NESTING_MAX} brackets within brackets")
        if directives > DIRECTIVES_MAX:
            raise TooManyDirectives(f"at most {DIRECTIVES_MAX}")
    return count


class Walk:
    """Looks at the fields as they will be run: fragments in place, those of one name in the answer together.

    `visited` is the number of fields and fragments looked at.
    """

    def __init__(self, document: DocumentNode) -> None:
        self.visited = self._aliases = 0
        definitions = document.definitions
        self._operations = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
        self._fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}

    def check(self) -> None:
        """Raise FragmentCycle, TooDeep, TooManyAliases or TooManyFields."""
        self._refuse_cycles()
        for operation in self._operations:
            self._level([operation.selection_set], 1)

    def _refuse_cycles(self) -> None:
        done: set[str] = set()
        for name in self._fragments:
            self._follow(name, (), done)

    def _follow(self, name: str, above: tuple[str, ...], done: set[str]) -> None:
        if name in above:
            raise FragmentCycle(name[:100])
        if name in done or name not in self._fragments:
            return
        for spread in _spreads(self._fragments[name].selection_set):
            self._visit()
            self._follow(spread, (*above, name), done)
        done.add(name)

    def _level(self, sets: Iterable[SelectionSetNode], depth: int) -> None:
        if depth > DEPTH_MAX:
            raise TooDeep(f"at most {DEPTH_MAX} fields within fields")
        fields: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for each in sets:
            self._collect(each, fields, seen)
        for same in fields.values():
            if len(same) > REPEATS_MAX:
                raise TooManyFields(f"a field may be repeated {REPEATS_MAX} times")
            inner = [each.selection_set for each in same if each.selection_set is not None]
            if inner:
                self._level(inner, depth + 1)

    def _collect(self, selected: SelectionSetNode, fields: dict[str, list[FieldNode]], seen: set[str]) -> None:
        for each in selected.selections:
            self._visit()
            if isinstance(each, FieldNode):
                self._aliases += each.alias is not None
                if self._aliases > ALIASES_MAX:
                    raise TooManyAliases(f"at most {ALIASES_MAX}, those of repeated fragments included")
                fields.setdefault((each.alias or each.name).value, []).append(each)
            elif not isinstance(each, FragmentSpreadNode):
                self._collect(each.selection_set, fields, seen)  # type: ignore[attr-defined]
            elif each.name.value not in seen and each.name.value in self._fragments:
                seen.add(each.name.value)
                self._collect(self._fragments[each.name.value].selection_set, fields, seen)

    def _visit(self) -> None:
        self.visited += 1
        if self.visited > FIELDS_MAX:
            raise TooManyFields(f"at most {FIELDS_MAX}, those of repeated fragments included")


def _spreads(selected: SelectionSetNode) -> Iterator[str]:
    for each in selected.selections:
        if isinstance(each, FragmentSpreadNode):
            yield each.name.value
        elif (inner := getattr(each, "selection_set", None)) is not None:
            yield from _spreads(inner)


def bound_variables(variables: dict[str, object]) -> None:
    """Raise TooLarge or TooDeep, after VALUES_MAX values at the latest."""
    waiting: list[tuple[object, int]] = [(variables, 1)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > VALUES_MAX:
            raise TooLarge(f"at most {VALUES_MAX} values in variables")
        if depth > VALUES_DEPTH_MAX:
            raise TooDeep(f"at most {VALUES_DEPTH_MAX} levels in variables")
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if count + len(waiting) + len(inner) > VALUES_MAX:
            raise TooLarge(f"at most {VALUES_MAX} values in variables")
        waiting += [(each, depth + 1) for each in inner]
