package dev.runstream.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Tells which models a server knows and what they take, loads and unloads them.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ModelServiceGrpc {

  private ModelServiceGrpc() {}

  public static final String SERVICE_NAME = "runstream.v1.ModelService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.ListModelsRequest,
      dev.runstream.v1.ListModelsResponse> getListModelsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListModels",
      requestType = dev.runstream.v1.ListModelsRequest.class,
      responseType = dev.runstream.v1.ListModelsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.ListModelsRequest,
      dev.runstream.v1.ListModelsResponse> getListModelsMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.ListModelsRequest, dev.runstream.v1.ListModelsResponse> getListModelsMethod;
    if ((getListModelsMethod = ModelServiceGrpc.getListModelsMethod) == null) {
      synchronized (ModelServiceGrpc.class) {
        if ((getListModelsMethod = ModelServiceGrpc.getListModelsMethod) == null) {
          ModelServiceGrpc.getListModelsMethod = getListModelsMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.ListModelsRequest, dev.runstream.v1.ListModelsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListModels"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.ListModelsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.ListModelsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ModelServiceMethodDescriptorSupplier("ListModels"))
              .build();
        }
      }
    }
    return getListModelsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.GetModelRequest,
      dev.runstream.v1.GetModelResponse> getGetModelMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetModel",
      requestType = dev.runstream.v1.GetModelRequest.class,
      responseType = dev.runstream.v1.GetModelResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.GetModelRequest,
      dev.runstream.v1.GetModelResponse> getGetModelMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.GetModelRequest, dev.runstream.v1.GetModelResponse> getGetModelMethod;
    if ((getGetModelMethod = ModelServiceGrpc.getGetModelMethod) == null) {
      synchronized (ModelServiceGrpc.class) {
        if ((getGetModelMethod = ModelServiceGrpc.getGetModelMethod) == null) {
          ModelServiceGrpc.getGetModelMethod = getGetModelMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.GetModelRequest, dev.runstream.v1.GetModelResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetModel"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.GetModelRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.GetModelResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ModelServiceMethodDescriptorSupplier("GetModel"))
              .build();
        }
      }
    }
    return getGetModelMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.LoadModelRequest,
      dev.runstream.v1.LoadModelResponse> getLoadModelMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "LoadModel",
      requestType = dev.runstream.v1.LoadModelRequest.class,
      responseType = dev.runstream.v1.LoadModelResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.LoadModelRequest,
      dev.runstream.v1.LoadModelResponse> getLoadModelMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.LoadModelRequest, dev.runstream.v1.LoadModelResponse> getLoadModelMethod;
    if ((getLoadModelMethod = ModelServiceGrpc.getLoadModelMethod) == null) {
      synchronized (ModelServiceGrpc.class) {
        if ((getLoadModelMethod = ModelServiceGrpc.getLoadModelMethod) == null) {
          ModelServiceGrpc.getLoadModelMethod = getLoadModelMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.LoadModelRequest, dev.runstream.v1.LoadModelResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "LoadModel"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.LoadModelRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.LoadModelResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ModelServiceMethodDescriptorSupplier("LoadModel"))
              .build();
        }
      }
    }
    return getLoadModelMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.runstream.v1.UnloadModelRequest,
      dev.runstream.v1.UnloadModelResponse> getUnloadModelMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UnloadModel",
      requestType = dev.runstream.v1.UnloadModelRequest.class,
      responseType = dev.runstream.v1.UnloadModelResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.runstream.v1.UnloadModelRequest,
      dev.runstream.v1.UnloadModelResponse> getUnloadModelMethod() {
    io.grpc.MethodDescriptor<dev.runstream.v1.UnloadModelRequest, dev.runstream.v1.UnloadModelResponse> getUnloadModelMethod;
    if ((getUnloadModelMethod = ModelServiceGrpc.getUnloadModelMethod) == null) {
      synchronized (ModelServiceGrpc.class) {
        if ((getUnloadModelMethod = ModelServiceGrpc.getUnloadModelMethod) == null) {
          ModelServiceGrpc.getUnloadModelMethod = getUnloadModelMethod =
              io.grpc.MethodDescriptor.<dev.runstream.v1.UnloadModelRequest, dev.runstream.v1.UnloadModelResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UnloadModel"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.UnloadModelRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.runstream.v1.UnloadModelResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ModelServiceMethodDescriptorSupplier("UnloadModel"))
              .build();
        }
      }
    }
    return getUnloadModelMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ModelServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ModelServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ModelServiceStub>() {
        @java.lang.Override
        public ModelServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ModelServiceStub(channel, callOptions);
        }
      };
    return ModelServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ModelServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ModelServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ModelServiceBlockingStub>() {
        @java.lang.Override
        public ModelServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ModelServiceBlockingStub(channel, callOptions);
        }
      };
    return ModelServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ModelServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ModelServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ModelServiceFutureStub>() {
        @java.lang.Override
        public ModelServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ModelServiceFutureStub(channel, callOptions);
        }
      };
    return ModelServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Tells which models a server knows and what they take, loads and unloads them.
   * </pre>
   */
  public static abstract class ModelServiceImplBase implements io.grpc.BindableService {

    /**
     * <pre>
     * Lists the models of the catalog, in its order.
     * </pre>
     */
    public void listModels(dev.runstream.v1.ListModelsRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.ListModelsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListModelsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells about one model. NOT_FOUND with reason MODEL_NOT_FOUND if the
     * catalog does not name it.
     * </pre>
     */
    public void getModel(dev.runstream.v1.GetModelRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.GetModelResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetModelMethod(), responseObserver);
    }

    /**
     * <pre>
     * Loads a model of the catalog, and answers when it is loaded; it is served
     * from then on, whether the server was started with it or not. Loading goes
     * on when the call is cancelled. A model that is loaded already stays as it
     * is.
     * A LoRA adapter is loaded with its parent.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; FAILED_PRECONDITION with reason WEIGHTS_MISSING if its weights are not
     * on the server's machine; UNAVAILABLE with reason MODEL_NOT_READY if it
     * can't be loaded, or if there is no room for it: the message then says what
     * would fit.
     * </pre>
     */
    public void loadModel(dev.runstream.v1.LoadModelRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.LoadModelResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getLoadModelMethod(), responseObserver);
    }

    /**
     * <pre>
     * Unloads a model, which frees its memory, and answers when that is done.
     * New requests wait for it meanwhile or are refused; those that run may go
     * on for 30 seconds, or until the call is cancelled, and then end with
     * UNAVAILABLE. Whether the next request loads the model again is up to the
     * server's settings; if not, it stays unloaded until LoadModel names it. A
     * model that is not loaded is no error.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; INVALID_ARGUMENT for a LoRA adapter, which its parent has.
     * </pre>
     */
    public void unloadModel(dev.runstream.v1.UnloadModelRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.UnloadModelResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUnloadModelMethod(), responseObserver);
    }

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
          .addMethod(
            getListModelsMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.ListModelsRequest,
                dev.runstream.v1.ListModelsResponse>(
                  this, METHODID_LIST_MODELS)))
          .addMethod(
            getGetModelMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.GetModelRequest,
                dev.runstream.v1.GetModelResponse>(
                  this, METHODID_GET_MODEL)))
          .addMethod(
            getLoadModelMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.LoadModelRequest,
                dev.runstream.v1.LoadModelResponse>(
                  this, METHODID_LOAD_MODEL)))
          .addMethod(
            getUnloadModelMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.runstream.v1.UnloadModelRequest,
                dev.runstream.v1.UnloadModelResponse>(
                  this, METHODID_UNLOAD_MODEL)))
          .build();
    }
  }

  /**
   * <pre>
   * Tells which models a server knows and what they take, loads and unloads them.
   * </pre>
   */
  public static final class ModelServiceStub extends io.grpc.stub.AbstractAsyncStub<ModelServiceStub> {
    private ModelServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ModelServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ModelServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists the models of the catalog, in its order.
     * </pre>
     */
    public void listModels(dev.runstream.v1.ListModelsRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.ListModelsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListModelsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tells about one model. NOT_FOUND with reason MODEL_NOT_FOUND if the
     * catalog does not name it.
     * </pre>
     */
    public void getModel(dev.runstream.v1.GetModelRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.GetModelResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetModelMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Loads a model of the catalog, and answers when it is loaded; it is served
     * from then on, whether the server was started with it or not. Loading goes
     * on when the call is cancelled. A model that is loaded already stays as it
     * is.
     * A LoRA adapter is loaded with its parent.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; FAILED_PRECONDITION with reason WEIGHTS_MISSING if its weights are not
     * on the server's machine; UNAVAILABLE with reason MODEL_NOT_READY if it
     * can't be loaded, or if there is no room for it: the message then says what
     * would fit.
     * </pre>
     */
    public void loadModel(dev.runstream.v1.LoadModelRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.LoadModelResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getLoadModelMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Unloads a model, which frees its memory, and answers when that is done.
     * New requests wait for it meanwhile or are refused; those that run may go
     * on for 30 seconds, or until the call is cancelled, and then end with
     * UNAVAILABLE. Whether the next request loads the model again is up to the
     * server's settings; if not, it stays unloaded until LoadModel names it. A
     * model that is not loaded is no error.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; INVALID_ARGUMENT for a LoRA adapter, which its parent has.
     * </pre>
     */
    public void unloadModel(dev.runstream.v1.UnloadModelRequest request,
        io.grpc.stub.StreamObserver<dev.runstream.v1.UnloadModelResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUnloadModelMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * <pre>
   * Tells which models a server knows and what they take, loads and unloads them.
   * </pre>
   */
  public static final class ModelServiceBlockingStub extends io.grpc.stub.AbstractBlockingStub<ModelServiceBlockingStub> {
    private ModelServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ModelServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ModelServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists the models of the catalog, in its order.
     * </pre>
     */
    public dev.runstream.v1.ListModelsResponse listModels(dev.runstream.v1.ListModelsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListModelsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells about one model. NOT_FOUND with reason MODEL_NOT_FOUND if the
     * catalog does not name it.
     * </pre>
     */
    public dev.runstream.v1.GetModelResponse getModel(dev.runstream.v1.GetModelRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetModelMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Loads a model of the catalog, and answers when it is loaded; it is served
     * from then on, whether the server was started with it or not. Loading goes
     * on when the call is cancelled. A model that is loaded already stays as it
     * is.
     * A LoRA adapter is loaded with its parent.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; FAILED_PRECONDITION with reason WEIGHTS_MISSING if its weights are not
     * on the server's machine; UNAVAILABLE with reason MODEL_NOT_READY if it
     * can't be loaded, or if there is no room for it: the message then says what
     * would fit.
     * </pre>
     */
    public dev.runstream.v1.LoadModelResponse loadModel(dev.runstream.v1.LoadModelRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getLoadModelMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Unloads a model, which frees its memory, and answers when that is done.
     * New requests wait for it meanwhile or are refused; those that run may go
     * on for 30 seconds, or until the call is cancelled, and then end with
     * UNAVAILABLE. Whether the next request loads the model again is up to the
     * server's settings; if not, it stays unloaded until LoadModel names it. A
     * model that is not loaded is no error.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; INVALID_ARGUMENT for a LoRA adapter, which its parent has.
     * </pre>
     */
    public dev.runstream.v1.UnloadModelResponse unloadModel(dev.runstream.v1.UnloadModelRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUnloadModelMethod(), getCallOptions(), request);
    }
  }

  /**
   * <pre>
   * Tells which models a server knows and what they take, loads and unloads them.
   * </pre>
   */
  public static final class ModelServiceFutureStub extends io.grpc.stub.AbstractFutureStub<ModelServiceFutureStub> {
    private ModelServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ModelServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ModelServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists the models of the catalog, in its order.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.ListModelsResponse> listModels(
        dev.runstream.v1.ListModelsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListModelsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells about one model. NOT_FOUND with reason MODEL_NOT_FOUND if the
     * catalog does not name it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.GetModelResponse> getModel(
        dev.runstream.v1.GetModelRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetModelMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Loads a model of the catalog, and answers when it is loaded; it is served
     * from then on, whether the server was started with it or not. Loading goes
     * on when the call is cancelled. A model that is loaded already stays as it
     * is.
     * A LoRA adapter is loaded with its parent.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; FAILED_PRECONDITION with reason WEIGHTS_MISSING if its weights are not
     * on the server's machine; UNAVAILABLE with reason MODEL_NOT_READY if it
     * can't be loaded, or if there is no room for it: the message then says what
     * would fit.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.LoadModelResponse> loadModel(
        dev.runstream.v1.LoadModelRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getLoadModelMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Unloads a model, which frees its memory, and answers when that is done.
     * New requests wait for it meanwhile or are refused; those that run may go
     * on for 30 seconds, or until the call is cancelled, and then end with
     * UNAVAILABLE. Whether the next request loads the model again is up to the
     * server's settings; if not, it stays unloaded until LoadModel names it. A
     * model that is not loaded is no error.
     * Errors: NOT_FOUND with reason MODEL_NOT_FOUND if the catalog does not name
     * it; INVALID_ARGUMENT for a LoRA adapter, which its parent has.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.runstream.v1.UnloadModelResponse> unloadModel(
        dev.runstream.v1.UnloadModelRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUnloadModelMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_LIST_MODELS = 0;
  private static final int METHODID_GET_MODEL = 1;
  private static final int METHODID_LOAD_MODEL = 2;
  private static final int METHODID_UNLOAD_MODEL = 3;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final ModelServiceImplBase serviceImpl;
    private final int methodId;

    MethodHandlers(ModelServiceImplBase serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_LIST_MODELS:
          serviceImpl.listModels((dev.runstream.v1.ListModelsRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.ListModelsResponse>) responseObserver);
          break;
        case METHODID_GET_MODEL:
          serviceImpl.getModel((dev.runstream.v1.GetModelRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.GetModelResponse>) responseObserver);
          break;
        case METHODID_LOAD_MODEL:
          serviceImpl.loadModel((dev.runstream.v1.LoadModelRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.LoadModelResponse>) responseObserver);
          break;
        case METHODID_UNLOAD_MODEL:
          serviceImpl.unloadModel((dev.runstream.v1.UnloadModelRequest) request,
              (io.grpc.stub.StreamObserver<dev.runstream.v1.UnloadModelResponse>) responseObserver);
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

  private static abstract class ModelServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ModelServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.runstream.v1.ModelsProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ModelService");
    }
  }

  private static final class ModelServiceFileDescriptorSupplier
      extends ModelServiceBaseDescriptorSupplier {
    ModelServiceFileDescriptorSupplier() {}
  }

  private static final class ModelServiceMethodDescriptorSupplier
      extends ModelServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final String methodName;

    ModelServiceMethodDescriptorSupplier(String methodName) {
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
      synchronized (ModelServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ModelServiceFileDescriptorSupplier())
              .addMethod(getListModelsMethod())
              .addMethod(getGetModelMethod())
              .addMethod(getLoadModelMethod())
              .addMethod(getUnloadModelMethod())
              .build();
        }
      }
    }
    return result;
  }
}
