/** What the details of errors are made of, generated from google/rpc. */
export * from "./stubs/google/rpc/error_details_pb.js";
export * from "./stubs/google/rpc/status_pb.js";
