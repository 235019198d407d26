// Asks a service what each line of standard input says, and prints what comes back; tests/clients/contract.py tells how.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "runstream/v1/text_generation.grpc.pb.h"

namespace pb = runstream::v1;
namespace json = google::protobuf::util;

constexpr int max_message_bytes = 16 << 20;

void show(const char* name, const google::protobuf::Message& message) {
    std::string text;
    if (!json::MessageToJsonString(message, &text).ok()) throw std::runtime_error("a message can't be printed");
    std::cout << "{\"" << name << "\": " << text << '}' << std::endl;
}

void show(const grpc::Status& status) {
    google::rpc::Status shown;
    shown.ParseFromString(status.error_details());
    shown.set_code(status.error_code());
    shown.set_message(status.error_message());
    show("status", shown);
}

grpc::Status ask(pb::TextGenerationService::Stub& service, const std::string& token, const std::string& line) {
    std::istringstream words(line);
    std::string method, text;
    int timeout_ms, cancel_after;
    words >> method >> timeout_ms >> cancel_after >> std::ws;
    std::getline(words, text);
    pb::RunRequest request;
    if (auto parsed = json::JsonStringToMessage(text, &request); !parsed.ok()) throw std::runtime_error(parsed.ToString());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    if (method == "RunStream") {
        auto parts = service.RunStream(&context, request);
        pb::RunStreamResponse part;
        for (int num_parts = 1; parts->Read(&part); ++num_parts) {
            show("part", part);
            if (num_parts == cancel_after) {
                context.TryCancel();
                break;
            }
        }
        return parts->Finish();
    }
    pb::RunResponse response;
    auto status = service.Run(&context, request, &response);
    if (status.ok()) show("response", response);
    return status;
}

int main(int argc, char** argv) {
    google::rpc::ErrorInfo::descriptor();  // what statuses carry must be linked to be printed
    std::map<std::string, std::string> options;
    for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
    auto credentials = grpc::InsecureChannelCredentials();
    if (!options["--ca"].empty()) {
        std::ifstream file(options["--ca"]);
        grpc::SslCredentialsOptions ssl;
        ssl.pem_root_certs.assign(std::istreambuf_iterator<char>(file), {});
        credentials = grpc::SslCredentials(ssl);
    }
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(max_message_bytes);
    auto service = pb::TextGenerationService::NewStub(
        grpc::CreateCustomChannel(options["--address"], credentials, arguments));
    for (std::string line; std::getline(std::cin, line);) show(ask(*service, options["--token"], line));
}
