"""Which surface a path belongs to, also where nothing is."""

import pytest

from bridge.middleware.faces import BINDING, NATIVE, OPENAI, OPENAI_IN_ACCOUNT, face_of


@pytest.mark.parametrize(
    ("path", "face"),
    [
        ("/v1", OPENAI),
        ("/v1/", OPENAI),
        ("/v1/chat/completions", OPENAI),
        ("/v1/a\nb", OPENAI),
        ("/v12", NATIVE),
        ("/a/v1", NATIVE),
        ("/client/v4/accounts/acc/ai/v1", OPENAI_IN_ACCOUNT),
        ("/client/v4/accounts/acc/ai/v1/models", OPENAI_IN_ACCOUNT),
        ("/client/v4/accounts/acc/ai/v12", NATIVE),
        ("/client/v4/accounts/a/b/ai/v1/models", NATIVE),
        ("/client/v4/accounts/acc/ai/run/@cf/m", NATIVE),
        ("/client/v4/accounts/acc/ai/run/proxy", BINDING),
        ("/client/v4/accounts/acc/ai/run/@cf/proxy", NATIVE),
        ("/run", BINDING),
        ("/run/x", NATIVE),
        ("/ai-gateway/run", BINDING),
        ("/", NATIVE),
    ],
)
def test_a_path_belongs_to_a_surface(path, face):
    assert face_of(path) is face
