import pytest
from faq import Reply
from load import load

pytestmark = pytest.mark.pepper("faq:agent")

ASKED = [
    ("Where's my package?", "parcel", "en"),
    ("Wo bleibt meine Sendung?", "parcel", "de"),
    ("¿Dónde está mi paquete?", "parcel", "en"),
    ("荷物はどこですか？", "parcel", "en"),
    ("Gdzie jest moja paczka?", "parcel", "en"),
    ("Preciso de uma fatura para a empresa", "invoice", "en"),
    ("Puis-je payer par virement bancaire ?", "payment", "fr"),
    ("Posso pagar por transferência?", "payment", "en"),
    ("Réparez-vous les lampes ?", "repair", "pt"),
]


async def test_a_question_in_any_language_finds_its_answer_in_the_best_one(pepper, remembering):
    await remembering("e5")
    assert await load(pepper.client) == await load(pepper.client) == 10
    replies = [await pepper.run("faq", {"text": text}) for text, _, _ in ASKED]
    assert [(one.faq, one.lang) for one in replies] == [(faq, lang) for _, faq, lang in ASKED]
    assert replies[1].answer.startswith("Der Link")
    wanted = await pepper.run("faq", {"text": "Where's my package?", "lang": "pt"})
    assert wanted.answer.startswith("A ligação")
    for text in ("Do you sell boats?", "Wie wird das Wetter?"):
        reply = await pepper.run("faq", {"text": text})
        assert (reply.answer, reply.lang) == ("", "")


async def test_an_empty_memory_answers_nothing(pepper, remembering):
    await remembering("hashing:64")
    assert await pepper.run("faq", {"text": "Where is my parcel?"}) == Reply()
