"""The same question has the same answer, with the same proofs, in whichever process it is asked."""

import subprocess
import sys

# Rules of which much is true: a set of it has another order in each process.
_ASK = """
from pepperpy_capabilities.reasoning.rules.deducing import deduce
from pepperpy_schemas.errors import Contradiction
from pepperpy_schemas.rules import RulesProblem

BOARD = '''
at(1..6,1..6). { queen(X,Y) : at(X,Y) } = 6.
:- queen(X,Y), queen(X,Z), Y < Z.    :- queen(X,Y), queen(Z,Y), X < Z.
:- queen(X,Y), queen(A,B), X < A, A-X == B-Y.
:- queen(X,Y), queen(A,B), X < A, A-X == Y-B.
seen(X,Y) :- queen(X,Z), at(X,Y), Y != Z.    seen(X,Y) :- queen(Z,Y), at(X,Y), X != Z.
'''
MAP = '''
touch(wa,nt). touch(wa,sa). touch(nt,sa). state(S) :- touch(S,_). state(S) :- touch(_,S).
{ has(S,red); has(S,green) } = 1 :- state(S).    :- touch(S,T), has(S,C), has(T,C).
'''
print(deduce(RulesProblem(rules=BOARD, query="seen(X,Y)", worlds="first")))
try:
    deduce(RulesProblem(rules=MAP, query="has(S,C)"))
except Contradiction as error:
    print(error.message)
"""


def test_every_process_answers_alike() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", _ASK], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for _ in range(4)
    }
    assert len(told) == 1
    assert "cannot hold together" in told.pop()
