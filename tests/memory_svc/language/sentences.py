"""Sentences of fifteen languages: a text, a question about it, and what both have in common."""

from typing import NamedTuple


class Pair(NamedTuple):
    """What is tried of a language.

    Attributes:
        text: A text of its.
        question: Another one, with other forms of its words.
        stems: Lexemes that both have, by stems.
        lemmas: Lexemes that both have, by lemmas.
        stopped: Words of the text that are left out.
        kept: A word of the text that is found in it, as it stands there.
    """

    text: str
    question: str
    stems: set[str]
    lemmas: set[str]
    stopped: set[str]
    kept: str


SENTENCES = {
    "en": Pair(
        "The cats were running quickly through the old libraries of London.",
        "A cat runs to the library",
        {"cat", "run", "librari"},
        {"cat", "run", "library"},
        {"The", "were", "the", "of", "through"},
        "libraries",
    ),
    "es": Pair(
        "Los gatos corrían rápidamente por las antiguas bibliotecas de España.",
        "El gato corre a la biblioteca",
        {"gat", "corr", "bibliotec"},
        {"gato", "correr", "biblioteca"},
        {"Los", "por", "las", "de"},
        "bibliotecas",
    ),
    "fr": Pair(
        "Les chats couraient rapidement dans les anciennes bibliothèques de l'université.",
        "Le chat entre dans la bibliotheque de l’université",
        {"chat", "bibliothequ", "univers"},
        {"chat", "bibliotheque", "universite"},
        {"Les", "dans", "les", "de", "l"},
        "bibliothèques",
    ),
    "de": Pair(
        "Die Katzen liefen schnell durch die alten Bibliotheken und Häuser der Stadt.",
        "Die Katze lief in die Bibliothek und dann zum Haus",
        {"katz", "lief", "bibliothek", "haus"},
        {"katze", "laufen", "bibliothek", "haus"},
        {"Die", "durch", "die", "und", "der"},
        "Häuser",
    ),
    "it": Pair(
        "I gatti correvano velocemente nelle antiche biblioteche dell'università.",
        "Il gatto corre nella biblioteca",
        {"gatt", "corr", "bibliotec"},
        {"gatto", "correre", "biblioteca"},
        {"I", "nelle", "dell"},
        "biblioteche",
    ),
    "pt": Pair(
        "Os gatos corriam rapidamente pelas antigas bibliotecas da cidade.",
        "O gato corre para a biblioteca",
        {"gat", "corr", "bibliotec"},
        {"gato", "correr", "biblioteca"},
        {"Os", "pelas", "da"},
        "cidade",
    ),
    "nl": Pair(
        "De honden renden snel door de oude bibliotheken van de stad.",
        "Waarom rennen de hond en de oude man naar de bibliotheek?",
        {"hond", "bibliothek", "oud"},
        {"hond", "oud", "bibliotheek"},
        {"De", "door", "de", "van"},
        "bibliotheken",
    ),
    "ru": Pair(
        "Кошки быстро бегали по старым библиотекам большого города.",
        "Кошка старая, а в городе есть библиотека",
        {"кошк", "стар", "библиотек", "город"},
        {"кошка", "старый", "библиотека", "город"},
        {"по"},
        "библиотекам",
    ),
    "ja": Pair(
        "猫たちが東京都の公園で走っていました。ｻｰﾊﾞｰは速い。",
        "猫は公園を走る。サーバー",
        {"猫", "公園", "走る", "サーバー"},
        {"猫", "公園", "走る", "サーバー"},
        {"が", "の", "で", "は"},
        "走っ",
    ),
    "zh": Pair(
        "我昨天来到北京的清华大学，研究生命起源。",
        "清华大学研究什么？",
        {"清华大学", "研究"},
        {"清华大学", "研究"},
        {"的"},
        "清华大学",
    ),
    "ko": Pair(
        "고양이들이 공원에서 달리고 있었습니다. 아름다운 꽃이 피었다.",
        "고양이가 공원을 달린다. 꽃은 아름답다.",
        {"고양이", "공원", "달리", "꽃", "아름답"},
        {"고양이", "공원", "달리", "꽃", "아름답"},
        {"들", "이", "에서", "고"},
        "아름다운",
    ),
    "ar": Pair(
        "كانت القطط تركض بسرعة في المكتبات القديمة في المدينة",
        "أين المكتبة في مدينة تَرْكُض",
        {"مكتب", "مدين", "تركض"},
        {"مكتبة", "مدينة", "تركض"},
        {"في"},
        "المكتبات",
    ),
    "hi": Pair(
        "बिल्लियाँ पुराने पुस्तकालयों में तेज़ी से दौड़ रही थीं।",
        "एक बिल्ली पुस्तकालय में दौड़ती है",
        {"बिल्ल", "पुस्तकालय", "दौड"},
        {"पुस्तकालय", "दौडना"},
        {"में", "से"},
        "पुस्तकालयों",
    ),
    "tr": Pair(
        "Kediler İstanbul'un eski kütüphanelerinde hızla koşuyordu.",
        "Kedi İSTANBUL kütüphanesine koşuyor",
        {"kedi", "istanbul", "kütüphane"},
        {"kedi", "istanbul", "kütüphane"},
        {"un"},
        "kütüphanelerinde",
    ),
    "vi": Pair(
        "Những con mèo chạy trong công viên Thành phố Hồ Chí Minh vào hôm qua.",
        "Con mèo ở đâu trong công viên?",
        {"mèo", "công viên"},
        {"mèo", "công viên"},
        {"Những", "trong", "vào"},
        "công viên",
    ),
}
"""By language."""
