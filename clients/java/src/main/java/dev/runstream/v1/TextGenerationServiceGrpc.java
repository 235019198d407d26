package dev.runstream.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Generates text with a model, as a whole or while it is being generated.
 * Run and RunStream ask the same question and obey one law: for equal requests,
 * the parts of RunStream joined in order give the answer of Run. `text` and
 * `reasoning_content` are the concatenations of the parts', tool calls are the
 * parts' deltas merged by index, and `logprobs` are concatenated.
 * `prompt_logprobs` are those of the first part; `finish_reason`, `matched_stop`, `matched_stop_token_id` and
 * `usage` are those of the last. A request that samples obeys it when it sets
 * `seed`.
 * An error is a gRPC status, never a field. Every status that the server's own
 * code gives carries a google.rpc.ErrorInfo with domain "runstream"; its
 * `reason` is stable and is what a client should test: ErrorReason lists them.
 * A status about the request's own fields also carries google.rpc.BadRequest.
 * One that a later attempt may not meet carries google.rpc.RetryInfo, and the
 * same wait in the trailing metadata "grpc-retry-pushback-ms". gRPC's libraries
 * obey that when their service config lets them retry. A call without a whole
 * message, or with bytes that are none, is INVALID_ARGUMENT with reason
 * INVALID_REQUEST; one that stays open without a message is DEADLINE_EXCEEDED.
 * No ErrorInfo is in what the gRPC library answers by itself. That is
 * UNIMPLEMENTED for an unknown method or compression, and RESOURCE_EXHAUSTED
 * for a message that is too large. It is DEADLINE_EXCEEDED at the client's own
 * deadline, CANCELLED or UNAVAILABLE where the connection ends, and INTERNAL
 * for broken frames. Nor is one in NOT_FOUND of grpc.health.v1.
 * Sizes: a message to the server has at most 16 MiB, decompressed, and its
 * headers 8 KiB. It has at most 131,072 fields (CreateBatchRequest: 400,000),
 * those of messages in it counted; more is INVALID_ARGUMENT. A message from the
 * server has at most 16 MiB. An answer of Run that would be larger, such as one
 * with very many log probabilities, ends with RESOURCE_EXHAUSTED; RunStream
 * sends it in parts. Most libraries take 4 MiB unless the channel says more. A
 * status and its details fit in 8 KiB; texts in them that are longer are cut.
 * Metadata: a call may send "x-runstream-request-id", 1 to 128 visible ASCII
 * characters, "!" to "~". Where it does not, or sends something else, the
 * server makes a UUID. The id stands in `id` of the answer and in the server's
 * log. Under the same name it is in the initial metadata of an answer and the
 * trailing metadata of a failure, and in the failure's ErrorInfo as
 * "request_id". Calls with equal ids are not joined. Run and RunStream also send "x-runstream-model" in the initial
 * metadata: the model that answers. A server that has a token wants
 * "authorization: Bearer TOKEN" with every call but those of grpc.health.v1;
 * without, calls end with UNAUTHENTICATED.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class TextGenerationServiceGrpc {

  private TextGenerationServiceGrpc() {}

  public static final String SERVICE_NAME = "runstream.v1.TextGenerationService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.RunRequest,
      dev.runstream.v1.RunResponse> getRunMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Run",
      requestType = dev.runstream.v1.RunRequest.class,
      responseType = dev.runstream.v1.RunResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.RunRequest,
      dev.runstream.v1.RunResponse> getRunMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.RunRequest, dev.runstream.v1.RunResponse> getRunMethod;
    if ((getRunMethod = TextGenerationServiceGrpc.getRunMethod) == null) {
      synchronized (TextGenerationServiceGrpc.class) {
        if ((getRunMethod = TextGenerationServiceGrpc.getRunMethod) == null) {
          TextGenerationServiceGrpc.getRunMethod = getRunMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.RunRequest, dev.runstream.v1.RunResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Run"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.RunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.RunResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TextGenerationServiceMethodDescriptorSupplier("Run"))
              .build();
        }
      }
    }
    return getRunMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.RunRequest,
      dev.runstream.v1.RunStreamResponse> getRunStreamMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RunStream",
      requestType = dev.runstream.v1.RunRequest.class,
      responseType = dev.runstream.v1.RunStreamResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.RunRequest,
      dev.runstream.v1.RunStreamResponse> getRunStreamMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.RunRequest, dev.runstream.v1.RunStreamResponse> getRunStreamMethod;
    if ((getRunStreamMethod = TextGenerationServiceGrpc.getRunStreamMethod) == null) {
      synchronized (TextGenerationServiceGrpc.class) {
        if ((getRunStreamMethod = TextGenerationServiceGrpc.getRunStreamMethod) == null) {
          TextGenerationServiceGrpc.getRunStreamMethod = getRunStreamMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.RunRequest, dev.runstream.v1.RunStreamResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RunStream"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.RunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.RunStreamResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TextGenerationServiceMethodDescriptorSupplier("RunStream"))
              .build();
        }
      }
    }
    return getRunStreamMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.CountTokensRequest,
      dev.runstream.v1.CountTokensResponse> getCountTokensMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CountTokens",
      requestType = dev.runstream.v1.CountTokensRequest.class,
      responseType = dev.runstream.v1.CountTokensResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.CountTokensRequest,
      dev.runstream.v1.CountTokensResponse> getCountTokensMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.CountTokensRequest, dev.runstream.v1.CountTokensResponse> getCountTokensMethod;
    if ((getCountTokensMethod = TextGenerationServiceGrpc.getCountTokensMethod) == null) {
      synchronized (TextGenerationServiceGrpc.class) {
        if ((getCountTokensMethod = TextGenerationServiceGrpc.getCountTokensMethod) == null) {
          TextGenerationServiceGrpc.getCountTokensMethod = getCountTokensMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.CountTokensRequest, dev.runstream.v1.CountTokensResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CountTokens"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.CountTokensRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.CountTokensResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TextGenerationServiceMethodDescriptorSupplier("CountTokens"))
              .build();
        }
      }
    }
    return getCountTokensMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static TextGenerationServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TextGenerationServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TextGenerationServiceStub>() {
        @java.lang.Override
        public TextGenerationServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TextGenerationServiceStub(channel, callOptions);
        }
      };
    return TextGenerationServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static TextGenerationServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TextGenerationServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TextGenerationServiceBlockingStub>() {
        @java.lang.Override
        public TextGenerationServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TextGenerationServiceBlockingStub(channel, callOptions);
        }
      };
    return TextGenerationServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static TextGenerationServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TextGenerationServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TextGenerationServiceFutureStub>() {
        @java.lang.Override
        public TextGenerationServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TextGenerationServiceFutureStub(channel, callOptions);
        }
      };
    return TextGenerationServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Generates text with a model, as a whole or while it is being generated.
   * Run and RunStream ask the same question and obey one law: for equal requests,
   * the parts of RunStream joined in order give the answer of Run. `text` and
   * `reasoning_content` are the concatenations of the parts', tool calls are the
   * parts' deltas merged by index, and `logprobs` are concatenated.
   * `prompt_logprobs` are those of the first part; `finish_reason`, `matched_stop`, `matched_stop_token_id` and
   * `usage` are those of the last. A request that samples obeys it when it sets
   * `seed`.
   * An error is a gRPC status, never a field. Every status that the server's own
   * code gives carries a google.rpc.ErrorInfo with domain "runstream"; its
   * `reason` is stable and is what a client should test: ErrorReason lists them.
   * A status about the request's own fields also carries google.rpc.BadRequest.
   * One that a later attempt may not meet carries google.rpc.RetryInfo, and the
   * same wait in the trailing metadata "grpc-retry-pushback-ms". gRPC's libraries
   * obey that when their service config lets them retry. A call without a whole
   * message, or with bytes that are none, is INVALID_ARGUMENT with reason
   * INVALID_REQUEST; one that stays open without a message is DEADLINE_EXCEEDED.
   * No ErrorInfo is in what the gRPC library answers by itself. That is
   * UNIMPLEMENTED for an unknown method or compression, and RESOURCE_EXHAUSTED
   * for a message that is too large. It is DEADLINE_EXCEEDED at the client's own
   * deadline, CANCELLED or UNAVAILABLE where the connection ends, and INTERNAL
   * for broken frames. Nor is one in NOT_FOUND of grpc.health.v1.
   * Sizes: a message to the server has at most 16 MiB, decompressed, and its
   * headers 8 KiB. It has at most 131,072 fields (CreateBatchRequest: 400,000),
   * those of messages in it counted; more is INVALID_ARGUMENT. A message from the
   * server has at most 16 MiB. An answer of Run that would be larger, such as one
   * with very many log probabilities, ends with RESOURCE_EXHAUSTED; RunStream
   * sends it in parts. Most libraries take 4 MiB unless the channel says more. A
   * status and its details fit in 8 KiB; texts in them that are longer are cut.
   * Metadata: a call may send "x-runstream-request-id", 1 to 128 visible ASCII
   * characters, "!" to "~". Where it does not, or sends something else, the
   * server makes a UUID. The id stands in `id` of the answer and in the server's
   * log. Under the same name it is in the initial metadata of an answer and the
   * trailing metadata of a failure, and in the failure's ErrorInfo as
   * "request_id". Calls with equal ids are not joined. Run and RunStream also send "x-runstream-model" in the initial
   * metadata: the model that answers. A server that has a token wants
   * "authorization: Bearer TOKEN" with every call but those of grpc.health.v1;
   * without, calls end with UNAUTHENTICATED.
   * </pre>
   */
  public static abstract class TextGenerationServiceImplBase implements io.grpc.BindableService {

    /**
     * <pre>
     * Answers a request with the whole completion.
     * </pre>
     */
    public void run(dev.runstream.v1.RunRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.RunResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRunMethod(), responseObserver);
    }

    /**
     * <pre>
     * Answers a request with parts of the completion as they are generated. The
     * last part, and no other, has `finish_reason` and `usage`. A stream that
     * ends with a status other than OK has no last part.
     * </pre>
     */
    public void runStream(dev.runstream.v1.RunRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.RunStreamResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRunStreamMethod(), responseObserver);
    }

    /**
     * <pre>
     * Counts the tokens of a request's prompt without generating anything.
     * Loads no model: UNAVAILABLE with reason MODEL_NOT_READY if the model that
     * would answer is not loaded. A status about a field names it from
     * CountTokensRequest on, for example "request.prompt.text".
     * </pre>
     */
    public void countTokens(dev.runstream.v1.CountTokensRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.CountTokensResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCountTokensMethod(), responseObserver);
    }

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
          .addMethod(
            getRunMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.RunRequest,
                dev.runstream.v1.RunResponse>(
                  this, METHODID_RUN)))
          .addMethod(
            getRunStreamMethod(),
            io.grpc.stub.ServerCalls.asyncServerStreamingCall(
              new MethodHandlers<
                dev.runstream.v1.RunRequest,
                dev.runstream.v1.RunStreamResponse>(
                  this, METHODID_RUN_STREAM)))
          .addMethod(
            getCountTokensMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.CountTokensRequest,
                dev.runstream.v1.CountTokensResponse>(
                  this, METHODID_COUNT_TOKENS)))
          .build();
    }
  }

  /**
   * <pre>
   * Generates text with a model, as a whole or while it is being generated.
   * Run and RunStream ask the same question and obey one law: for equal requests,
   * the parts of RunStream joined in order give the answer of Run. `text` and
   * `reasoning_content` are the concatenations of the parts', tool calls are the
   * parts' deltas merged by index, and `logprobs` are concatenated.
   * `prompt_logprobs` are those of the first part; `finish_reason`, `matched_stop`, `matched_stop_token_id` and
   * `usage` are those of the last. A request that samples obeys it when it sets
   * `seed`.
   * An error is a gRPC status, never a field. Every status that the server's own
   * code gives carries a google.rpc.ErrorInfo with domain "runstream"; its
   * `reason` is stable and is what a client should test: ErrorReason lists them.
   * A status about the request's own fields also carries google.rpc.BadRequest.
   * One that a later attempt may not meet carries google.rpc.RetryInfo, and the
   * same wait in the trailing metadata "grpc-retry-pushback-ms". gRPC's libraries
   * obey that when their service config lets them retry. A call without a whole
   * message, or with bytes that are none, is INVALID_ARGUMENT with reason
   * INVALID_REQUEST; one that stays open without a message is DEADLINE_EXCEEDED.
   * No ErrorInfo is in what the gRPC library answers by itself. That is
   * UNIMPLEMENTED for an unknown method or compression, and RESOURCE_EXHAUSTED
   * for a message that is too large. It is DEADLINE_EXCEEDED at the client's own
   * deadline, CANCELLED or UNAVAILABLE where the connection ends, and INTERNAL
   * for broken frames. Nor is one in NOT_FOUND of grpc.health.v1.
   * Sizes: a message to the server has at most 16 MiB, decompressed, and its
   * headers 8 KiB. It has at most 131,072 fields (CreateBatchRequest: 400,000),
   * those of messages in it counted; more is INVALID_ARGUMENT. A message from the
   * server has at most 16 MiB. An answer of Run that would be larger, such as one
   * with very many log probabilities, ends with RESOURCE_EXHAUSTED; RunStream
   * sends it in parts. Most libraries take 4 MiB unless the channel says more. A
   * status and its details fit in 8 KiB; texts in them that are longer are cut.
   * Metadata: a call may send "x-runstream-request-id", 1 to 128 visible ASCII
   * characters, "!" to "~". Where it does not, or sends something else, the
   * server makes a UUID. The id stands in `id` of the answer and in the server's
   * log. Under the same name it is in the initial metadata of an answer and the
   * trailing metadata of a failure, and in the failure's ErrorInfo as
   * "request_id". Calls with equal ids are not joined. Run and RunStream also send "x-runstream-model" in the initial
   * metadata: the model that answers. A server that has a token wants
   * "authorization: Bearer TOKEN" with every call but those of grpc.health.v1;
   * without, calls end with UNAUTHENTICATED.
   * </pre>
   */
  public static final class TextGenerationServiceStub extends io.grpc.stub.AbstractAsyncStub<TextGenerationServiceStub> {
    private TextGenerationServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TextGenerationServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TextGenerationServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Answers a request with the whole completion.
     * </pre>
     */
    public void run(dev.runstream.v1.RunRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.RunResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRunMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Answers a request with parts of the completion as they are generated. The
     * last part, and no other, has `finish_reason` and `usage`. A stream that
     * ends with a status other than OK has no last part.
     * </pre>
     */
    public void runStream(dev.runstream.v1.RunRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.RunStreamResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getRunStreamMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Counts the tokens of a request's prompt without generating anything.
     * Loads no model: UNAVAILABLE with reason MODEL_NOT_READY if the model that
     * would answer is not loaded. A status about a field names it from
     * CountTokensRequest on, for example "request.prompt.text".
     * </pre>
     */
    public void countTokens(dev.runstream.v1.CountTokensRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.CountTokensResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCountTokensMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * <pre>
   * Generates text with a model, as a whole or while it is being generated.
   * Run and RunStream ask the same question and obey one law: for equal requests,
   * the parts of RunStream joined in order give the answer of Run. `text` and
   * `reasoning_content` are the concatenations of the parts', tool calls are the
   * parts' deltas merged by index, and `logprobs` are concatenated.
   * `prompt_logprobs` are those of the first part; `finish_reason`, `matched_stop`, `matched_stop_token_id` and
   * `usage` are those of the last. A request that samples obeys it when it sets
   * `seed`.
   * An error is a gRPC status, never a field. Every status that the server's own
   * code gives carries a google.rpc.ErrorInfo with domain "runstream"; its
   * `reason` is stable and is what a client should test: ErrorReason lists them.
   * A status about the request's own fields also carries google.rpc.BadRequest.
   * One that a later attempt may not meet carries google.rpc.RetryInfo, and the
   * same wait in the trailing metadata "grpc-retry-pushback-ms". gRPC's libraries
   * obey that when their service config lets them retry. A call without a whole
   * message, or with bytes that are none, is INVALID_ARGUMENT with reason
   * INVALID_REQUEST; one that stays open without a message is DEADLINE_EXCEEDED.
   * No ErrorInfo is in what the gRPC library answers by itself. That is
   * UNIMPLEMENTED for an unknown method or compression, and RESOURCE_EXHAUSTED
   * for a message that is too large. It is DEADLINE_EXCEEDED at the client's own
   * deadline, CANCELLED or UNAVAILABLE where the connection ends, and INTERNAL
   * for broken frames. Nor is one in NOT_FOUND of grpc.health.v1.
   * Sizes: a message to the server has at most 16 MiB, decompressed, and its
   * headers 8 KiB. It has at most 131,072 fields (CreateBatchRequest: 400,000),
   * those of messages in it counted; more is INVALID_ARGUMENT. A message from the
   * server has at most 16 MiB. An answer of Run that would be larger, such as one
   * with very many log probabilities, ends with RESOURCE_EXHAUSTED; RunStream
   * sends it in parts. Most libraries take 4 MiB unless the channel says more. A
   * status and its details fit in 8 KiB; texts in them that are longer are cut.
   * Metadata: a call may send "x-runstream-request-id", 1 to 128 visible ASCII
   * characters, "!" to "~". Where it does not, or sends something else, the
   * server makes a UUID. The id stands in `id` of the answer and in the server's
   * log. Under the same name it is in the initial metadata of an answer and the
   * trailing metadata of a failure, and in the failure's ErrorInfo as
   * "request_id". Calls with equal ids are not joined. Run and RunStream also send "x-runstream-model" in the initial
   * metadata: the model that answers. A server that has a token wants
   * "authorization: Bearer TOKEN" with every call but those of grpc.health.v1;
   * without, calls end with UNAUTHENTICATED.
   * </pre>
   */
  public static final class TextGenerationServiceBlockingStub extends io.grpc.stub.AbstractBlockingStub<TextGenerationServiceBlockingStub> {
    private TextGenerationServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TextGenerationServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TextGenerationServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Answers a request with the whole completion.
     * </pre>
     */
    public dev.runstream.v1.RunResponse run(dev.runstream.v1.RunRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRunMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Answers a request with parts of the completion as they are generated. The
     * last part, and no other, has `finish_reason` and `usage`. A stream that
     * ends with a status other than OK has no last part.
     * </pre>
     */
    public java.util.Iterator<dev.runstream.v1.RunStreamResponse> runStream(
        dev.runstream.v1.RunRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getRunStreamMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Counts the tokens of a request's prompt without generating anything.
     * Loads no model: UNAVAILABLE with reason MODEL_NOT_READY if the model that
     * would answer is not loaded. A status about a field names it from
     * CountTokensRequest on, for example "request.prompt.text".
     * </pre>
     */
    public dev.runstream.v1.CountTokensResponse countTokens(dev.runstream.v1.CountTokensRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCountTokensMethod(), getCallOptions(), request);
    }
  }

  /**
   * <pre>
   * Generates text with a model, as a whole or while it is being generated.
   * Run and RunStream ask the same question and obey one law: for equal requests,
   * the parts of RunStream joined in order give the answer of Run. `text` and
   * `reasoning_content` are the concatenations of the parts', tool calls are the
   * parts' deltas merged by index, and `logprobs` are concatenated.
   * `prompt_logprobs` are those of the first part; `finish_reason`, `matched_stop`, `matched_stop_token_id` and
   * `usage` are those of the last. A request that samples obeys it when it sets
   * `seed`.
   * An error is a gRPC status, never a field. Every status that the server's own
   * code gives carries a google.rpc.ErrorInfo with domain "runstream"; its
   * `reason` is stable and is what a client should test: ErrorReason lists them.
   * A status about the request's own fields also carries google.rpc.BadRequest.
   * One that a later attempt may not meet carries google.rpc.RetryInfo, and the
   * same wait in the trailing metadata "grpc-retry-pushback-ms". gRPC's libraries
   * obey that when their service config lets them retry. A call without a whole
   * message, or with bytes that are none, is INVALID_ARGUMENT with reason
   * INVALID_REQUEST; one that stays open without a message is DEADLINE_EXCEEDED.
   * No ErrorInfo is in what the gRPC library answers by itself. That is
   * UNIMPLEMENTED for an unknown method or compression, and RESOURCE_EXHAUSTED
   * for a message that is too large. It is DEADLINE_EXCEEDED at the client's own
   * deadline, CANCELLED or UNAVAILABLE where the connection ends, and INTERNAL
   * for broken frames. Nor is one in NOT_FOUND of grpc.health.v1.
   * Sizes: a message to the server has at most 16 MiB, decompressed, and its
   * headers 8 KiB. It has at most 131,072 fields (CreateBatchRequest: 400,000),
   * those of messages in it counted; more is INVALID_ARGUMENT. A message from the
   * server has at most 16 MiB. An answer of Run that would be larger, such as one
   * with very many log probabilities, ends with RESOURCE_EXHAUSTED; RunStream
   * sends it in parts. Most libraries take 4 MiB unless the channel says more. A
   * status and its details fit in 8 KiB; texts in them that are longer are cut.
   * Metadata: a call may send "x-runstream-request-id", 1 to 128 visible ASCII
   * characters, "!" to "~". Where it does not, or sends something else, the
   * server makes a UUID. The id stands in `id` of the answer and in the server's
   * log. Under the same name it is in the initial metadata of an answer and the
   * trailing metadata of a failure, and in the failure's ErrorInfo as
   * "request_id". Calls with equal ids are not joined. Run and RunStream also send "x-runstream-model" in the initial
   * metadata: the model that answers. A server that has a token wants
   * "authorization: Bearer TOKEN" with every call but those of grpc.health.v1;
   * without, calls end with UNAUTHENTICATED.
   * </pre>
   */
  public static final class TextGenerationServiceFutureStub extends io.grpc.stub.AbstractFutureStub<TextGenerationServiceFutureStub> {
    private TextGenerationServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TextGenerationServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TextGenerationServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Answers a request with the whole completion.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.RunResponse> run(
        dev.runstream.v1.RunRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRunMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Counts the tokens of a request's prompt without generating anything.
     * Loads no model: UNAVAILABLE with reason MODEL_NOT_READY if the model that
     * would answer is not loaded. A status about a field names it from
     * CountTokensRequest on, for example "request.prompt.text".
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.CountTokensResponse> countTokens(
        dev.runstream.v1.CountTokensRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCountTokensMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_RUN = 0;
  private static final int METHODID_RUN_STREAM = 1;
  private static final int METHODID_COUNT_TOKENS = 2;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final TextGenerationServiceImplBase serviceImpl;
    private final int methodId;

    MethodHandlers(TextGenerationServiceImplBase serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_RUN:
          serviceImpl.run((dev.runstream.v1.RunRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.RunResponse>) responseObserver);
          break;
        case METHODID_RUN_STREAM:
          serviceImpl.runStream((dev.runstream.v1.RunRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.RunStreamResponse>) responseObserver);
          break;
        case METHODID_COUNT_TOKENS:
          serviceImpl.countTokens((dev.runstream.v1.CountTokensRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.CountTokensResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  private static abstract class TextGenerationServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    TextGenerationServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.runstream.v1.TextGenerationProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("TextGenerationService");
    }
  }

  private static final class TextGenerationServiceFileDescriptorSupplier
      extends TextGenerationServiceBaseDescriptorSupplier {
    TextGenerationServiceFileDescriptorSupplier() {}
  }

  private static final class TextGenerationServiceMethodDescriptorSupplier
      extends TextGenerationServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final String methodName;

    TextGenerationServiceMethodDescriptorSupplier(String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (TextGenerationServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new TextGenerationServiceFileDescriptorSupplier())
              .addMethod(getRunMethod())
              .addMethod(getRunStreamMethod())
              .addMethod(getCountTokensMethod())
              .build();
        }
      }
    }
    return result;
  }
}
