package dev.runstream.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Answers many requests some time, behind those that somebody waits for.
 * A batch and its results outlive the call that creates it and also a restart
 * of the server: each item is answered once, and its result is kept until the
 * batch expires. An item is answered as TextGenerationService.Run would answer
 * its request with PRIORITY_BATCH, and without a deadline.
 * Errors are as in TextGenerationService. All methods answer
 * FAILED_PRECONDITION with reason BATCHES_DISABLED if the server keeps no
 * batches.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class BatchServiceGrpc {

  private BatchServiceGrpc() {}

  public static final String SERVICE_NAME = "runstream.v1.BatchService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.CreateBatchRequest,
      dev.runstream.v1.CreateBatchResponse> getCreateBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateBatch",
      requestType = dev.runstream.v1.CreateBatchRequest.class,
      responseType = dev.runstream.v1.CreateBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.CreateBatchRequest,
      dev.runstream.v1.CreateBatchResponse> getCreateBatchMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.CreateBatchRequest, dev.runstream.v1.CreateBatchResponse> getCreateBatchMethod;
    if ((getCreateBatchMethod = BatchServiceGrpc.getCreateBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getCreateBatchMethod = BatchServiceGrpc.getCreateBatchMethod) == null) {
          BatchServiceGrpc.getCreateBatchMethod = getCreateBatchMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.CreateBatchRequest, dev.runstream.v1.CreateBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.CreateBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.CreateBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("CreateBatch"))
              .build();
        }
      }
    }
    return getCreateBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.GetBatchRequest,
      dev.runstream.v1.GetBatchResponse> getGetBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetBatch",
      requestType = dev.runstream.v1.GetBatchRequest.class,
      responseType = dev.runstream.v1.GetBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.GetBatchRequest,
      dev.runstream.v1.GetBatchResponse> getGetBatchMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.GetBatchRequest, dev.runstream.v1.GetBatchResponse> getGetBatchMethod;
    if ((getGetBatchMethod = BatchServiceGrpc.getGetBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getGetBatchMethod = BatchServiceGrpc.getGetBatchMethod) == null) {
          BatchServiceGrpc.getGetBatchMethod = getGetBatchMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.GetBatchRequest, dev.runstream.v1.GetBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.GetBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.GetBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("GetBatch"))
              .build();
        }
      }
    }
    return getGetBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.StreamBatchResultsRequest,
      dev.runstream.v1.StreamBatchResultsResponse> getStreamBatchResultsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StreamBatchResults",
      requestType = dev.runstream.v1.StreamBatchResultsRequest.class,
      responseType = dev.runstream.v1.StreamBatchResultsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.StreamBatchResultsRequest,
      dev.runstream.v1.StreamBatchResultsResponse> getStreamBatchResultsMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.StreamBatchResultsRequest, dev.runstream.v1.StreamBatchResultsResponse> getStreamBatchResultsMethod;
    if ((getStreamBatchResultsMethod = BatchServiceGrpc.getStreamBatchResultsMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getStreamBatchResultsMethod = BatchServiceGrpc.getStreamBatchResultsMethod) == null) {
          BatchServiceGrpc.getStreamBatchResultsMethod = getStreamBatchResultsMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.StreamBatchResultsRequest, dev.runstream.v1.StreamBatchResultsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StreamBatchResults"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.StreamBatchResultsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.StreamBatchResultsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("StreamBatchResults"))
              .build();
        }
      }
    }
    return getStreamBatchResultsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.ListBatchesRequest,
      dev.runstream.v1.ListBatchesResponse> getListBatchesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListBatches",
      requestType = dev.runstream.v1.ListBatchesRequest.class,
      responseType = dev.runstream.v1.ListBatchesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.ListBatchesRequest,
      dev.runstream.v1.ListBatchesResponse> getListBatchesMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.ListBatchesRequest, dev.runstream.v1.ListBatchesResponse> getListBatchesMethod;
    if ((getListBatchesMethod = BatchServiceGrpc.getListBatchesMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getListBatchesMethod = BatchServiceGrpc.getListBatchesMethod) == null) {
          BatchServiceGrpc.getListBatchesMethod = getListBatchesMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.ListBatchesRequest, dev.runstream.v1.ListBatchesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListBatches"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.ListBatchesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.ListBatchesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("ListBatches"))
              .build();
        }
      }
    }
    return getListBatchesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.CancelBatchRequest,
      dev.runstream.v1.CancelBatchResponse> getCancelBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CancelBatch",
      requestType = dev.runstream.v1.CancelBatchRequest.class,
      responseType = dev.runstream.v1.CancelBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.CancelBatchRequest,
      dev.runstream.v1.CancelBatchResponse> getCancelBatchMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.CancelBatchRequest, dev.runstream.v1.CancelBatchResponse> getCancelBatchMethod;
    if ((getCancelBatchMethod = BatchServiceGrpc.getCancelBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getCancelBatchMethod = BatchServiceGrpc.getCancelBatchMethod) == null) {
          BatchServiceGrpc.getCancelBatchMethod = getCancelBatchMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.CancelBatchRequest, dev.runstream.v1.CancelBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CancelBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.CancelBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.CancelBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("CancelBatch"))
              .build();
        }
      }
    }
    return getCancelBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.DeleteBatchRequest,
      dev.runstream.v1.DeleteBatchResponse> getDeleteBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteBatch",
      requestType = dev.runstream.v1.DeleteBatchRequest.class,
      responseType = dev.runstream.v1.DeleteBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.DeleteBatchRequest,
      dev.runstream.v1.DeleteBatchResponse> getDeleteBatchMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.DeleteBatchRequest, dev.runstream.v1.DeleteBatchResponse> getDeleteBatchMethod;
    if ((getDeleteBatchMethod = BatchServiceGrpc.getDeleteBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getDeleteBatchMethod = BatchServiceGrpc.getDeleteBatchMethod) == null) {
          BatchServiceGrpc.getDeleteBatchMethod = getDeleteBatchMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.DeleteBatchRequest, dev.runstream.v1.DeleteBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.DeleteBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.DeleteBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("DeleteBatch"))
              .build();
        }
      }
    }
    return getDeleteBatchMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static BatchServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BatchServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BatchServiceStub>() {
        @java.lang.Override
        public BatchServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BatchServiceStub(channel, callOptions);
        }
      };
    return BatchServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static BatchServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BatchServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BatchServiceBlockingStub>() {
        @java.lang.Override
        public BatchServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BatchServiceBlockingStub(channel, callOptions);
        }
      };
    return BatchServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static BatchServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BatchServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BatchServiceFutureStub>() {
        @java.lang.Override
        public BatchServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BatchServiceFutureStub(channel, callOptions);
        }
      };
    return BatchServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Answers many requests some time, behind those that somebody waits for.
   * A batch and its results outlive the call that creates it and also a restart
   * of the server: each item is answered once, and its result is kept until the
   * batch expires. An item is answered as TextGenerationService.Run would answer
   * its request with PRIORITY_BATCH, and without a deadline.
   * Errors are as in TextGenerationService. All methods answer
   * FAILED_PRECONDITION with reason BATCHES_DISABLED if the server keeps no
   * batches.
   * </pre>
   */
  public static abstract class BatchServiceImplBase implements io.grpc.BindableService {

    /**
     * <pre>
     * Takes a batch and answers before any of its items is. All its items are
     * checked first: it is taken as a whole or not at all.
     * RESOURCE_EXHAUSTED with reason QUEUE_FULL if more than 100,000 items would
     * wait then.
     * </pre>
     */
    public void createBatch(dev.runstream.v1.CreateBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.CreateBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells about one batch. NOT_FOUND with reason BATCH_NOT_FOUND if there is
     * none with this id, none of this account, or it has expired.
     * </pre>
     */
    public void getBatch(dev.runstream.v1.GetBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.GetBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Answers with the results that a batch has so far, ordered by index; with
     * all of them once its state is BATCH_STATE_DONE or BATCH_STATE_CANCELLED.
     * NOT_FOUND as for GetBatch.
     * </pre>
     */
    public void streamBatchResults(dev.runstream.v1.StreamBatchResultsRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.StreamBatchResultsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStreamBatchResultsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists an account's batches, newest first. What is created or deleted while
     * the pages are read moves no other batch from one to another.
     * </pre>
     */
    public void listBatches(dev.runstream.v1.ListBatchesRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.ListBatchesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListBatchesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Ends what is left of a batch and keeps the results that it has. Items
     * without a result get a failure with reason CANCELLED. A batch that has
     * ended stays as it is. NOT_FOUND as for GetBatch.
     * </pre>
     */
    public void cancelBatch(dev.runstream.v1.CancelBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.CancelBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCancelBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Ends what is left of a batch and forgets it with its results. NOT_FOUND as
     * for GetBatch.
     * </pre>
     */
    public void deleteBatch(dev.runstream.v1.DeleteBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.DeleteBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteBatchMethod(), responseObserver);
    }

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
          .addMethod(
            getCreateBatchMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.CreateBatchRequest,
                dev.runstream.v1.CreateBatchResponse>(
                  this, METHODID_CREATE_BATCH)))
          .addMethod(
            getGetBatchMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.GetBatchRequest,
                dev.runstream.v1.GetBatchResponse>(
                  this, METHODID_GET_BATCH)))
          .addMethod(
            getStreamBatchResultsMethod(),
            io.grpc.stub.ServerCalls.asyncServerStreamingCall(
              new MethodHandlers<
                dev.runstream.v1.StreamBatchResultsRequest,
                dev.runstream.v1.StreamBatchResultsResponse>(
                  this, METHODID_STREAM_BATCH_RESULTS)))
          .addMethod(
            getListBatchesMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.ListBatchesRequest,
                dev.runstream.v1.ListBatchesResponse>(
                  this, METHODID_LIST_BATCHES)))
          .addMethod(
            getCancelBatchMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.CancelBatchRequest,
                dev.runstream.v1.CancelBatchResponse>(
                  this, METHODID_CANCEL_BATCH)))
          .addMethod(
            getDeleteBatchMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.DeleteBatchRequest,
                dev.runstream.v1.DeleteBatchResponse>(
                  this, METHODID_DELETE_BATCH)))
          .build();
    }
  }

  /**
   * <pre>
   * Answers many requests some time, behind those that somebody waits for.
   * A batch and its results outlive the call that creates it and also a restart
   * of the server: each item is answered once, and its result is kept until the
   * batch expires. An item is answered as TextGenerationService.Run would answer
   * its request with PRIORITY_BATCH, and without a deadline.
   * Errors are as in TextGenerationService. All methods answer
   * FAILED_PRECONDITION with reason BATCHES_DISABLED if the server keeps no
   * batches.
   * </pre>
   */
  public static final class BatchServiceStub extends io.grpc.stub.AbstractAsyncStub<BatchServiceStub> {
    private BatchServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BatchServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BatchServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Takes a batch and answers before any of its items is. All its items are
     * checked first: it is taken as a whole or not at all.
     * RESOURCE_EXHAUSTED with reason QUEUE_FULL if more than 100,000 items would
     * wait then.
     * </pre>
     */
    public void createBatch(dev.runstream.v1.CreateBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.CreateBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tells about one batch. NOT_FOUND with reason BATCH_NOT_FOUND if there is
     * none with this id, none of this account, or it has expired.
     * </pre>
     */
    public void getBatch(dev.runstream.v1.GetBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.GetBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Answers with the results that a batch has so far, ordered by index; with
     * all of them once its state is BATCH_STATE_DONE or BATCH_STATE_CANCELLED.
     * NOT_FOUND as for GetBatch.
     * </pre>
     */
    public void streamBatchResults(dev.runstream.v1.StreamBatchResultsRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.StreamBatchResultsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getStreamBatchResultsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists an account's batches, newest first. What is created or deleted while
     * the pages are read moves no other batch from one to another.
     * </pre>
     */
    public void listBatches(dev.runstream.v1.ListBatchesRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.ListBatchesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListBatchesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Ends what is left of a batch and keeps the results that it has. Items
     * without a result get a failure with reason CANCELLED. A batch that has
     * ended stays as it is. NOT_FOUND as for GetBatch.
     * </pre>
     */
    public void cancelBatch(dev.runstream.v1.CancelBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.CancelBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCancelBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Ends what is left of a batch and forgets it with its results. NOT_FOUND as
     * for GetBatch.
     * </pre>
     */
    public void deleteBatch(dev.runstream.v1.DeleteBatchRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.DeleteBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteBatchMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * <pre>
   * Answers many requests some time, behind those that somebody waits for.
   * A batch and its results outlive the call that creates it and also a restart
   * of the server: each item is answered once, and its result is kept until the
   * batch expires. An item is answered as TextGenerationService.Run would answer
   * its request with PRIORITY_BATCH, and without a deadline.
   * Errors are as in TextGenerationService. All methods answer
   * FAILED_PRECONDITION with reason BATCHES_DISABLED if the server keeps no
   * batches.
   * </pre>
   */
  public static final class BatchServiceBlockingStub extends io.grpc.stub.AbstractBlockingStub<BatchServiceBlockingStub> {
    private BatchServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BatchServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BatchServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Takes a batch and answers before any of its items is. All its items are
     * checked first: it is taken as a whole or not at all.
     * RESOURCE_EXHAUSTED with reason QUEUE_FULL if more than 100,000 items would
     * wait then.
     * </pre>
     */
    public dev.runstream.v1.CreateBatchResponse createBatch(dev.runstream.v1.CreateBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells about one batch. NOT_FOUND with reason BATCH_NOT_FOUND if there is
     * none with this id, none of this account, or it has expired.
     * </pre>
     */
    public dev.runstream.v1.GetBatchResponse getBatch(dev.runstream.v1.GetBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Answers with the results that a batch has so far, ordered by index; with
     * all of them once its state is BATCH_STATE_DONE or BATCH_STATE_CANCELLED.
     * NOT_FOUND as for GetBatch.
     * </pre>
     */
    public java.util.Iterator<dev.runstream.v1.StreamBatchResultsResponse> streamBatchResults(
        dev.runstream.v1.StreamBatchResultsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getStreamBatchResultsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists an account's batches, newest first. What is created or deleted while
     * the pages are read moves no other batch from one to another.
     * </pre>
     */
    public dev.runstream.v1.ListBatchesResponse listBatches(dev.runstream.v1.ListBatchesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListBatchesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends what is left of a batch and keeps the results that it has. Items
     * without a result get a failure with reason CANCELLED. A batch that has
     * ended stays as it is. NOT_FOUND as for GetBatch.
     * </pre>
     */
    public dev.runstream.v1.CancelBatchResponse cancelBatch(dev.runstream.v1.CancelBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCancelBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends what is left of a batch and forgets it with its results. NOT_FOUND as
     * for GetBatch.
     * </pre>
     */
    public dev.runstream.v1.DeleteBatchResponse deleteBatch(dev.runstream.v1.DeleteBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteBatchMethod(), getCallOptions(), request);
    }
  }

  /**
   * <pre>
   * Answers many requests some time, behind those that somebody waits for.
   * A batch and its results outlive the call that creates it and also a restart
   * of the server: each item is answered once, and its result is kept until the
   * batch expires. An item is answered as TextGenerationService.Run would answer
   * its request with PRIORITY_BATCH, and without a deadline.
   * Errors are as in TextGenerationService. All methods answer
   * FAILED_PRECONDITION with reason BATCHES_DISABLED if the server keeps no
   * batches.
   * </pre>
   */
  public static final class BatchServiceFutureStub extends io.grpc.stub.AbstractFutureStub<BatchServiceFutureStub> {
    private BatchServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BatchServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BatchServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Takes a batch and answers before any of its items is. All its items are
     * checked first: it is taken as a whole or not at all.
     * RESOURCE_EXHAUSTED with reason QUEUE_FULL if more than 100,000 items would
     * wait then.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.CreateBatchResponse> createBatch(
        dev.runstream.v1.CreateBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells about one batch. NOT_FOUND with reason BATCH_NOT_FOUND if there is
     * none with this id, none of this account, or it has expired.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.GetBatchResponse> getBatch(
        dev.runstream.v1.GetBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists an account's batches, newest first. What is created or deleted while
     * the pages are read moves no other batch from one to another.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.ListBatchesResponse> listBatches(
        dev.runstream.v1.ListBatchesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListBatchesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Ends what is left of a batch and keeps the results that it has. Items
     * without a result get a failure with reason CANCELLED. A batch that has
     * ended stays as it is. NOT_FOUND as for GetBatch.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.CancelBatchResponse> cancelBatch(
        dev.runstream.v1.CancelBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCancelBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Ends what is left of a batch and forgets it with its results. NOT_FOUND as
     * for GetBatch.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.DeleteBatchResponse> deleteBatch(
        dev.runstream.v1.DeleteBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteBatchMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CREATE_BATCH = 0;
  private static final int METHODID_GET_BATCH = 1;
  private static final int METHODID_STREAM_BATCH_RESULTS = 2;
  private static final int METHODID_LIST_BATCHES = 3;
  private static final int METHODID_CANCEL_BATCH = 4;
  private static final int METHODID_DELETE_BATCH = 5;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final BatchServiceImplBase serviceImpl;
    private final int methodId;

    MethodHandlers(BatchServiceImplBase serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_CREATE_BATCH:
          serviceImpl.createBatch((dev.runstream.v1.CreateBatchRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.CreateBatchResponse>) responseObserver);
          break;
        case METHODID_GET_BATCH:
          serviceImpl.getBatch((dev.runstream.v1.GetBatchRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.GetBatchResponse>) responseObserver);
          break;
        case METHODID_STREAM_BATCH_RESULTS:
          serviceImpl.streamBatchResults((dev.runstream.v1.StreamBatchResultsRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.StreamBatchResultsResponse>) responseObserver);
          break;
        case METHODID_LIST_BATCHES:
          serviceImpl.listBatches((dev.runstream.v1.ListBatchesRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.ListBatchesResponse>) responseObserver);
          break;
        case METHODID_CANCEL_BATCH:
          serviceImpl.cancelBatch((dev.runstream.v1.CancelBatchRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.CancelBatchResponse>) responseObserver);
          break;
        case METHODID_DELETE_BATCH:
          serviceImpl.deleteBatch((dev.runstream.v1.DeleteBatchRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.DeleteBatchResponse>) responseObserver);
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

  private static abstract class BatchServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    BatchServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.runstream.v1.BatchesProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("BatchService");
    }
  }

  private static final class BatchServiceFileDescriptorSupplier
      extends BatchServiceBaseDescriptorSupplier {
    BatchServiceFileDescriptorSupplier() {}
  }

  private static final class BatchServiceMethodDescriptorSupplier
      extends BatchServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final String methodName;

    BatchServiceMethodDescriptorSupplier(String methodName) {
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
      synchronized (BatchServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new BatchServiceFileDescriptorSupplier())
              .addMethod(getCreateBatchMethod())
              .addMethod(getGetBatchMethod())
              .addMethod(getStreamBatchResultsMethod())
              .addMethod(getListBatchesMethod())
              .addMethod(getCancelBatchMethod())
              .addMethod(getDeleteBatchMethod())
              .build();
        }
      }
    }
    return result;
  }
}
