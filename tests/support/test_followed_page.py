"""The reader of pages notices what a page gets wrong, and does what it says."""

import os

import pytest

from tests.support.followed_page import Reader, blocks, sections

PAGE = """
## First

Words.

```sh
export GREETING=hello
mkdir folder && cd folder
```

Of `Somebody else`, not run by
our tests:

```rust
fn main() {}
```

### Then

```python
# greet.py
import os
print(os.environ["GREETING"], "example.org")
```

Then:

```console
$ python3 greet.py
hello local…
$ ls ../folder
greet.py
```
"""


@pytest.fixture
def reader(tmp_path):
    """A reader in an empty folder."""
    with Reader(tmp_path, os.environ, {"example.org": "localhost"}) as reader:
        yield reader


def follow(reader, page):
    """Does what all blocks say that are followed."""
    for block in blocks(sections(page)["First"]):
        if block.is_followed:
            reader.follow(block)


def test_a_page_is_followed_with_the_environment_the_folder_and_the_files_that_it_makes(reader):
    follow(reader, PAGE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("hello local…", "goodbye"),
        ("python3 greet.py", "python3 greet.py && false"),
        ("example.org", "example.com"),
        (" && cd folder", ""),
        ("# greet.py\n", ""),
        ("export GREETING", "false; export GREETING"),
    ],
)
def test_a_mistake_of_the_page_is_noticed(reader, right, wrong):
    with pytest.raises(AssertionError):
        follow(reader, PAGE.replace(right, wrong))


def test_the_words_of_a_block_are_those_since_the_last_block_or_heading():
    assert [block.prose.strip() for block in blocks(sections(PAGE)["First"])] == [
        "Words.",
        "Of `Somebody else`, not run by\nour tests:",
        "",
        "Then:",
    ]
