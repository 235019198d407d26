// Asks a service what each line of standard input says, and prints what comes back; tests/clients/contract.py tells how.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	legacy "github.com/golang/protobuf/proto"
	pb "github.com/runstream/runstream/clients/go/runstream/v1"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // what statuses carry must be known to be printed
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const maxMessageBytes = 16 << 20

func show(name string, message proto.Message) {
	text, err := protojson.Marshal(message)
	if err != nil {
		panic(err)
	}
	fmt.Printf("{\"%s\": %s}\n", name, text)
}

func stream(ctx context.Context, client pb.TextGenerationServiceClient, request *pb.RunRequest, cancelAfter int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := client.RunStream(ctx, request)
	for numParts := 1; err == nil; numParts++ {
		var part *pb.RunStreamResponse
		// After the cancel come its status and, before that, parts that had arrived.
		if part, err = call.Recv(); err == nil && (cancelAfter == 0 || numParts <= cancelAfter) {
			show("part", part)
		}
		if numParts == cancelAfter {
			cancel()
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func ask(client pb.TextGenerationServiceClient, token, line string) error {
	var method, text string
	var timeoutMs, cancelAfter int
	words := strings.SplitN(line, " ", 4)
	method, text = words[0], words[3]
	fmt.Sscan(words[1], &timeoutMs)
	fmt.Sscan(words[2], &cancelAfter)
	request := &pb.RunRequest{}
	if err := protojson.Unmarshal([]byte(text), request); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(timeoutMs)*time.Millisecond)
	defer cancel()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	if method == "RunStream" {
		return stream(ctx, client, request, cancelAfter)
	}
	response, err := client.Run(ctx, request)
	if err == nil {
		show("response", response)
	}
	return err
}

func main() {
	address := flag.String("address", "", "host:port of the service")
	token := flag.String("token", "", "the service's token")
	ca := flag.String("ca", "", "certificates that the service's must come from; none for plain text")
	flag.Parse()
	security := grpc.WithInsecure()
	if *ca != "" {
		creds, err := credentials.NewClientTLSFromFile(*ca, "")
		if err != nil {
			panic(err)
		}
		security = grpc.WithTransportCredentials(creds)
	}
	conn, err := grpc.Dial(*address, security, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)))
	if err != nil {
		panic(err)
	}
	client := pb.NewTextGenerationServiceClient(conn)
	for lines := bufio.NewReader(os.Stdin); ; {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return
		}
		show("status", legacy.MessageV2(status.Convert(ask(client, *token, line)).Proto()))
	}
}
