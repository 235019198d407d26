// A Worker as it would be deployed: it streams what the model answers to ?prompt=.
const MODEL = "@cf/meta/llama-3.1-8b-instruct";

export default {
  async fetch(request, env) {
    const prompt = new URL(request.url).searchParams.get("prompt") ?? "where is new york?";
    const stream = await env.AI.run(MODEL, { prompt, stream: true });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
};
