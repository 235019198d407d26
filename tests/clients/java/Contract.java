import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.runstream.v1.RunRequest;
import dev.runstream.v1.TextGenerationServiceGrpc;
import io.grpc.ChannelCredentials;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.concurrent.TimeUnit;

/** Asks a service what each line of standard input says, and prints what comes back; contract.py tells how. */
public final class Contract {
    private static final int MAX_MESSAGE_BYTES = 16 << 20;
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final JsonFormat.Printer PRINTER = JsonFormat.printer().omittingInsignificantWhitespace()
            .usingTypeRegistry(JsonFormat.TypeRegistry.newBuilder().add(ErrorInfo.getDescriptor())
                    .add(BadRequest.getDescriptor()).add(RetryInfo.getDescriptor()).build());

    public static void main(String[] args) throws IOException {
        var options = new HashMap<String, String>();
        for (int i = 0; i + 1 < args.length; i += 2) options.put(args[i], args[i + 1]);
        ChannelCredentials credentials = InsecureChannelCredentials.create();
        if (!options.get("--ca").isEmpty())
            credentials = TlsChannelCredentials.newBuilder().trustManager(new File(options.get("--ca"))).build();
        var channel = Grpc.newChannelBuilder(options.get("--address"), credentials)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES).build();
        var service = TextGenerationServiceGrpc.newBlockingStub(channel);
        if (!options.get("--token").isEmpty()) {
            var headers = new Metadata();
            headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
                    "Bearer " + options.get("--token"));
            service = service.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
        }
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            try {
                ask(service, line);
                show("status", com.google.rpc.Status.getDefaultInstance());
            } catch (StatusRuntimeException e) {
                show("status", StatusProto.fromThrowable(e));
            }
        }
    }

    private static void show(String name, MessageOrBuilder message) throws IOException {
        OUT.println("{\"" + name + "\": " + PRINTER.print(message) + "}");
    }

    private static void ask(TextGenerationServiceGrpc.TextGenerationServiceBlockingStub service, String line)
            throws IOException {
        var words = line.split(" ", 4);
        var request = RunRequest.newBuilder();
        JsonFormat.parser().merge(words[3], request);
        var timed = service.withDeadlineAfter(Integer.parseInt(words[1]), TimeUnit.MILLISECONDS);
        if (words[0].equals("Run")) {
            show("response", timed.run(request.build()));
            return;
        }
        int cancelAfter = Integer.parseInt(words[2]);
        try (var context = Context.current().withCancellation()) {
            var outer = context.attach();
            try {
                var parts = timed.runStream(request.build());
                for (int numParts = 1; parts.hasNext(); numParts++) {
                    show("part", parts.next());
                    if (numParts == cancelAfter) throw Status.CANCELLED.asRuntimeException();
                }
            } finally {
                context.detach(outer);
            }
        }
    }
}
