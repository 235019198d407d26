# Serves bundle.js; BRIDGE is what answers env.AI.
using Workerd = import "/workerd/workerd.capnp";
using Runstream = import "../node_modules/runstream-worker/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "site", worker = .site), BRIDGE],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "site")],
);

const site :Workerd.Worker = (
  modules = [(name = "bundle.js", esModule = embed "bundle.js")],
  compatibilityDate = "2026-01-01",
  bindings = [Runstream.ai],
);
