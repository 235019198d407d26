import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import dev.runstream.v1.Prompt;
import dev.runstream.v1.RunRequest;
import dev.runstream.v1.SamplingParams;
import dev.runstream.v1.TextGenerationServiceGrpc;
import dev.runstream.v1.TextGenerationServiceGrpc.TextGenerationServiceBlockingStub;
import io.grpc.ChannelCredentials;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** Asks a service what clients ask: Example ADDRESS [CA]; the token is in RUNSTREAM_TOKEN. */
public final class Example {
    public static void main(String[] args) throws IOException {
        var address = args.length > 0 ? args[0] : "127.0.0.1:50051";
        var channel = Grpc.newChannelBuilder(address, credentials(args.length > 1 ? args[1] : null)).build();
        try {
            var health = HealthGrpc.newBlockingStub(channel).check(HealthCheckRequest.getDefaultInstance());
            System.out.println("health: " + health.getStatus());
            var headers = new Metadata();
            var key = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
            var token = System.getenv("RUNSTREAM_TOKEN");
            if (token != null && !token.isEmpty()) headers.put(key, "Bearer " + token);
            ask(TextGenerationServiceGrpc.newBlockingStub(channel)
                    .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers)));
        } finally {
            channel.shutdownNow();
        }
    }

    private static ChannelCredentials credentials(String ca) throws IOException {
        if (ca == null) return InsecureChannelCredentials.create();
        return TlsChannelCredentials.newBuilder().trustManager(new File(ca)).build();
    }

    private static void ask(TextGenerationServiceBlockingStub service) throws IOException {
        var request = RunRequest.newBuilder().setModel("@runstream/demo")
                .setPrompt(Prompt.newBuilder().setText("Where is New York?"))
                .setSamplingParams(SamplingParams.newBuilder().setSeed(7)).build();
        var answer = service.run(request);
        System.out.printf("%s (%d tokens)%n", answer.getText(), answer.getUsage().getCompletionTokens());
        stream(service, request, 1_000_000);
        stream(service, request, 3);
        try {
            service.withDeadlineAfter(1, TimeUnit.MILLISECONDS).run(request);
        } catch (StatusRuntimeException e) {
            System.out.println("deadline: " + e.getStatus().getCode());
        }
        try {
            service.run(request.toBuilder().setModel("@unknown/model").build());
        } catch (StatusRuntimeException e) {
            for (Any detail : StatusProto.fromThrowable(e).getDetailsList())
                if (detail.is(ErrorInfo.class)) System.out.println("error: " + detail.unpack(ErrorInfo.class).getReason());
        }
    }

    /** Prints an answer as it comes, at most maxParts parts of it; closing the context ends the generation. */
    private static void stream(TextGenerationServiceBlockingStub service, RunRequest request, int maxParts) {
        try (var context = Context.current().withCancellation()) {
            context.run(() -> {
                var parts = service.runStream(request);
                for (int i = 0; i < maxParts && parts.hasNext(); i++) System.out.print(parts.next().getText());
            });
        }
        System.out.println();
    }
}
