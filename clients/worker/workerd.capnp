# What a configuration of workerd needs for an env.AI that a Runstream bridge answers.
@0xd3f1c5a7e2b49680;

using Workerd = import "/workerd/workerd.capnp";

const bridge :Workerd.Service = (name = "runstream", external = (address = "127.0.0.1:8080", http = ()));

const ai :Workerd.Worker.Binding = (name = "AI", wrapped = (
  moduleName = "cloudflare-internal:ai-api",
  innerBindings = [(name = "fetcher", service = "runstream")],
));
