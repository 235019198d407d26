// Asks a service what clients ask; the token is in RUNSTREAM_TOKEN.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	pb "github.com/runstream/runstream/clients/go/runstream/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// stream prints an answer as it comes, at most maxParts parts of it; leaving it ends the generation.
func stream(ctx context.Context, client pb.TextGenerationServiceClient, request *pb.RunRequest, maxParts int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call := must(client.RunStream(ctx, request))
	for i := 0; i < maxParts; i++ {
		part, err := call.Recv()
		if err == io.EOF {
			break
		}
		fmt.Print(must(part, err).Text)
	}
	fmt.Println()
}

func main() {
	address := flag.String("address", "127.0.0.1:50051", "host:port of the service")
	ca := flag.String("ca", "", "certificates that the service's must come from; none for plain text")
	flag.Parse()
	security := grpc.WithInsecure()
	if *ca != "" {
		security = grpc.WithTransportCredentials(must(credentials.NewClientTLSFromFile(*ca, "")))
	}
	conn := must(grpc.Dial(*address, security))
	defer conn.Close()
	client := pb.NewTextGenerationServiceClient(conn)
	ctx := context.Background()
	if token := os.Getenv("RUNSTREAM_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	fmt.Println("health:", must(healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})).Status)

	prompt := &pb.RunRequest_Prompt{Prompt: &pb.Prompt{Text: "Where is New York?"}}
	params := &pb.SamplingParams{Seed: proto.Int64(7)}
	request := &pb.RunRequest{Model: "@runstream/demo", Input: prompt, SamplingParams: params}
	whole := must(client.Run(ctx, request))
	fmt.Printf("%s (%d tokens)\n", whole.Text, whole.Usage.CompletionTokens)
	stream(ctx, client, request, 1_000_000)
	stream(ctx, client, request, 3)
	soon, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err := client.Run(soon, request)
	fmt.Println("deadline:", status.Code(err))
	request.Model = "@unknown/model"
	_, err = client.Run(ctx, request)
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Println("error:", info.Reason)
		}
	}
}
