/** The messages and services of the contract, generated from protos/runstream/v1. */
export * from "./stubs/runstream/v1/batches_pb.js";
export * from "./stubs/runstream/v1/errors_pb.js";
export * from "./stubs/runstream/v1/models_pb.js";
export * from "./stubs/runstream/v1/text_generation_pb.js";
