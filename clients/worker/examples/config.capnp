# For workerd alone: workerd serve config.capnp
using Workerd = import "/workerd/workerd.capnp";
using Runstream = import "node_modules/runstream-worker/workerd.capnp";

const config :Workerd.Config = (
  # For a bridge that is elsewhere or asks for a token, write instead of Runstream.bridge:
  # (name = "runstream", external = (address = "HOST:PORT", http = (
  #   injectRequestHeaders = [(name = "Authorization", value = "Bearer …")]))),
  services = [(name = "example", worker = .example), Runstream.bridge],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "example")],
);

const example :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01",
  bindings = [Runstream.ai],
);
