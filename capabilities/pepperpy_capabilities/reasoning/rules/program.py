"""A problem as a program: what clingo grounds, and how it says what is wrong with it."""

import re
from typing import Any, Final

import clingo
from clingo import ast

from pepperpy_capabilities.reasoning.rules.building import (
    function,
    never,
    positive,
    rule,
    variable,
)
from pepperpy_capabilities.reasoning.rules.functions import Calls
from pepperpy_capabilities.reasoning.rules.plain import CONTRARY, Plain, plain_fact, symbol_of
from pepperpy_capabilities.reasoning.rules.predicates import meant, predicates_in
from pepperpy_capabilities.reasoning.rules.reading import Statement, Statements, read
from pepperpy_capabilities.reasoning.rules.source import Place, Source
from pepperpy_capabilities.reasoning.rules.wording import shown_value
from pepperpy_schemas.errors import BadRule, PepperError, TooBig, UnsafeRule
from pepperpy_schemas.rules import RulesProblem, Value

ANSWER: Final = "__answer"
"""The predicate of what the question asks."""

_UNSAFE = re.compile(r"<string>:(\d+):(\d+)\S*: error: unsafe variables")
_VARIABLE = re.compile(r"note: '(\w+)' is unsafe")
_ERROR = re.compile(r"<string>:(\d+):(\d+)\S*: error: (.*)", re.DOTALL)
_INFO = re.compile(r"<string>:(\d+):(\d+)\S*: info: (.*):\s+(.*)", re.DOTALL)
_OURS = ("1", "1")
"""The place of rules that nobody has written: of these only, as a rule's atoms are further on."""
_MESSAGES = 50


class Program:
    """A problem that was read.

    Attributes:
        rules: The rules with their plain nodes, without the facts that are known as they stand.
        query: The question with its plain node.
        variables: The question's variables in their order, with the names that answers have.
        facts: What is given, with the number of its rule; 0 for what comes from a table.
        exclusions: Rules of our own, one for each predicate that has a contrary.
        constants: What ``#const`` defines.
        statements: All statements as they were written.

    Raises:
        BadRule: A rule cannot be read, or is none that is allowed.
        TooBig: A rule is nested too deeply.
    """

    def __init__(self, problem: RulesProblem, variables: dict[str, str]) -> None:
        try:
            self.statements: Statements = read(Source(problem))
            names = {one.node.name for one in self.statements.constants}
            plain = Plain(names)
            self.constants = [plain.constant(one) for one in self.statements.constants]
            facts = [(one, plain_fact(one.text, names)) for one in self.statements.rules]
            rules = [(one, plain.made(one)) for one, fact in facts if fact is None]
            self.query: tuple[Statement, ast.AST] = (
                self.statements.query,
                plain.made(self.statements.query),
            )
        except RecursionError:
            raise TooBig("a rule is nested too deeply") from None
        self.facts: dict[clingo.Symbol, int] = dict.fromkeys(_rows(problem), 0)
        self.rules = [(one, node) for one, node in rules if _fact(node) is None]
        facts += [(one, _fact(node)) for one, node in rules]
        for one, fact in facts:
            if fact is not None:
                self.facts.setdefault(fact, one.number)
        contraries = plain.contraries | {
            (fact.name.removeprefix(CONTRARY), len(fact.arguments))
            for fact in self.facts
            if fact.name.startswith(CONTRARY)
        }
        self.exclusions = [
            _exclusion(len(self.statements.rules) + n, *one)
            for n, one in enumerate(sorted(contraries), 1)
        ]
        asked = variables_in(self.query[1].body)
        self.variables = {name: variables.get(name, name) for name in asked}

    def ground(self, control: clingo.Control, said: list[str]) -> None:
        """Grounds what was added to a control.

        Args:
            control: It.
            said: What its logger was told.

        Raises:
            UnsafeRule: A variable is bound by nothing.
            BadRule: It cannot be grounded for another reason.
        """
        try:
            control.ground([("base", [])], context=Calls())
        except RuntimeError as error:
            raise self._refusal(said, error) from None

    def notes(self, said: list[str]) -> list[str]:
        """Returns what clingo found odd, for people."""
        found: list[str] = []
        for message in said:
            match = _INFO.match(message)
            if match and (match[1], match[2]) != _OURS:
                one = self.statements.at(int(match[1]), int(match[2]))
                what = match[4].strip().replace(CONTRARY, "-")
                if "operation undefined" in match[3]:
                    found.append(f"{one}: {what} has no value, so the rule does not apply there")
                elif "does not occur in any rule head" in match[3]:
                    near = self._meant(match[4].strip())
                    found.append(f"{one}: no fact or rule is about {what}{near}")
        return list(dict.fromkeys(found))

    def _meant(self, atom: str) -> str:
        """The question whether another predicate was meant, behind what is said of one."""
        name = atom.partition("(")[0]
        known = predicates_in([node.head for _, node in self.rules])
        known |= {(fact.name, len(fact.arguments)) for fact in self.facts}
        asked = predicates_in([one for _, node in (*self.rules, self.query) for one in node.body])
        arity = min((size for one, size in asked - known if one == name), default=0)
        near = meant(name, arity, known).replace(CONTRARY, "-")
        return f"; did you mean {near}?" if near else ""

    def _refusal(self, said: list[str], error: RuntimeError) -> PepperError:
        for message in said:
            if match := _UNSAFE.match(message):
                one = self.statements.at(int(match[1]), int(match[2]))
                names = [name for name in _VARIABLE.findall(message) if name != "Anonymous"]
                return UnsafeRule(
                    f"{one}: nothing says what {', '.join(names) or '_'} can be: {one.text}",
                    context={**one.context(), "variables": names},
                )
            if match := _ERROR.match(message):
                one = self.statements.at(int(match[1]), int(match[2]))
                return one.refuse(match[3].strip().replace("\n", " "))
        return BadRule(str(error))


def new_control(seed: int, *, worlds: int = 1) -> tuple[clingo.Control, list[str]]:
    """Returns an empty control, and the list that its messages go to.

    Args:
        seed: By what the search is varied.
        worlds: How many worlds it looks for; 0 for all.
    """
    said: list[str] = []
    control = clingo.Control(
        [f"--models={worlds}", f"--seed={seed}"],
        logger=lambda _, text: said.append(text),
        message_limit=_MESSAGES,
    )
    return control, said


def state(control: clingo.Control, facts: Any) -> None:
    """Adds facts to a control."""
    with control.backend() as backend:
        for fact in facts:
            backend.add_rule([backend.add_atom(fact)])


def variables_in(nodes: Any) -> list[str]:
    """Returns the names of the variables that a rule shares between its parts, in their order."""
    walk = _Variables()
    for node in nodes:
        walk.visit(node)
    return list(walk.found)


class _Variables(ast.Transformer):
    """Notes variables; those of conditions and sets belong to these alone."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}

    def visit_Variable(self, node: ast.AST) -> ast.AST:  # noqa: N802 - clingo's own name
        if node.name != "_":
            self.found.setdefault(node.name)
        return node

    def visit_ConditionalLiteral(self, node: ast.AST) -> ast.AST:  # noqa: N802
        return node

    visit_BodyAggregateElement = visit_ConditionalLiteral  # noqa: N815


def value_of(symbol: clingo.Symbol) -> Value:
    """Returns a value as it travels; a term of several is its text."""
    match symbol.type:
        case clingo.SymbolType.Number:
            return symbol.number
        case clingo.SymbolType.String:
            return symbol.string
        case _:
            return shown(symbol)


def shown(symbol: clingo.Symbol) -> str:
    """Returns a value or atom as people read it."""
    if symbol.type is not clingo.SymbolType.Function:
        value = value_of(symbol) if symbol.type in _PLAIN else str(symbol)
        return shown_value(value)
    name = symbol.name
    if name.startswith(CONTRARY):
        name = f"-{name.removeprefix(CONTRARY)}"
    if name and not symbol.arguments:
        return name
    return f"{name}({','.join(map(shown, symbol.arguments))})"


_PLAIN = (clingo.SymbolType.Number, clingo.SymbolType.String)


def _rows(problem: RulesProblem) -> Any:
    for name, rows in problem.facts.items():
        own = CONTRARY + name[1:] if name.startswith("-") else name
        for n, row in enumerate(rows):
            if any(isinstance(one, str) and "\0" in one for one in row):
                place = Place(f"facts.{name}[{n}]", 1)
                raise BadRule(f"{place} has the character 0", context={"field": place.field})
            yield clingo.Function(own, [_symbol(one) for one in row])


def _symbol(value: Value) -> clingo.Symbol:
    return clingo.Number(value) if isinstance(value, int) else clingo.String(value)


def _exclusion(n: int, name: str, arity: int) -> tuple[Statement, ast.AST]:
    values = [variable(f"X{at}") for at in range(arity)]
    both = [positive(function(prefix + name, values)) for prefix in ("", CONTRARY)]
    node = rule(never(), both)
    shown_values = f"({','.join(f'X{at}' for at in range(arity))})" if arity else ""
    atom = f"{name}{shown_values}"
    return Statement(n, node, f"{atom} and -{atom}", Place("rules", 0)), node


def _fact(node: ast.AST) -> clingo.Symbol | None:
    head = node.head
    if node.body or head.ast_type != ast.ASTType.Literal:
        return None
    if head.atom.ast_type != ast.ASTType.SymbolicAtom:
        return None
    return symbol_of(head.atom.symbol)
