// Serves the documentation's Workers, each at its path and unmodified, and pages that show their streams.
import pages from "./pages.json";
import blog from "./scripts/blog.js";
import envAiStreamed from "./scripts/env_ai_streamed.ts";
import envAiWhole from "./scripts/env_ai_whole.ts";
import streamed from "./scripts/streamed.ts";
import streamedOfNone from "./scripts/streamed_of_none.ts";
import whole from "./scripts/whole.ts";
import wholeOfNone from "./scripts/whole_of_none.ts";

const aborting = {
  /** Gives its stream up after what came first. */
  async fetch(request, env) {
    const controller = new AbortController();
    const inputs = { prompt: "where is new york?", stream: true };
    const stream = await env.AI.run("@cf/meta/llama-2-7b-chat-int8", inputs, { signal: controller.signal });
    const reader = stream.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    controller.abort();
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    return rest().then(
      () => Response.json({ first }),
      ({ name }) => Response.json({ first, name }),
    );
  },
};

const workers = {
  "/": streamed,
  "/worker-endpoint": blog,
  "/whole": whole,
  "/env-ai": envAiStreamed,
  "/env-ai-whole": envAiWhole,
  "/streamed-of-none": streamedOfNone,
  "/whole-of-none": wholeOfNone,
  "/aborting": aborting,
};

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    const page = pages[pathname];
    if (page) return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    try {
      return await workers[pathname].fetch(request, env, ctx);
    } catch (error) {
      const told = { name: error.name, message: error.message, isError: error instanceof Error };
      const { lastRequestHttpStatusCode: httpStatus, lastRequestInternalStatusCode: code } = env.AI;
      return Response.json({ ...told, httpStatus, code }, { status: 500 });
    }
  },
};
