"""What the script that measures sentences takes for one."""

from scripts.readability import documents, main, sentences


def test_sentences_are_told_apart_and_what_is_no_prose_is_left_out():
    text = """# A heading that is left out

One idea. `code` begins another! A third: it goes on.
It has a [link](https://example.com/a.b.c) e.g. here.

| a table | of words that nobody counts |

- an item of a list
- another item, which
  goes on

one · two words · and three

```
not prose at all. Never.
```

    nor is this here.
"""
    assert sentences(text) == [
        "One idea.",
        "`code` begins another!",
        "A third: it goes on.",
        "It has a link e.g. here.",
        "an item of a list",
        "another item, which goes on",
        "two words",
        "and three",
    ]


def test_it_prints_a_line_for_each_document(capsys):
    paths = documents()
    main(paths)
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[1:]} == {*(path.name for path in paths), "all"}
