// Asks a service what clients ask: example ADDRESS [CA]; the token is in RUNSTREAM_TOKEN.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "runstream/v1/text_generation.grpc.pb.h"

namespace pb = runstream::v1;

std::shared_ptr<grpc::ChannelCredentials> credentials(const char* ca) {
    if (ca == nullptr) return grpc::InsecureChannelCredentials();
    std::ifstream file(ca);
    grpc::SslCredentialsOptions options;
    options.pem_root_certs.assign(std::istreambuf_iterator<char>(file), {});
    return grpc::SslCredentials(options);
}

void use_token(grpc::ClientContext& context) {
    if (const char* token = std::getenv("RUNSTREAM_TOKEN"); token && *token)
        context.AddMetadata("authorization", std::string("Bearer ") + token);
}

void check(const grpc::Status& status) {
    if (!status.ok()) throw std::runtime_error(status.error_message());
}

// Prints an answer as it comes, at most max_parts parts of it; one that is left there must be cancelled.
void stream(pb::TextGenerationService::Stub& service, const pb::RunRequest& request, int max_parts) {
    grpc::ClientContext context;
    use_token(context);
    auto parts = service.RunStream(&context, request);
    pb::RunStreamResponse part;
    int num_parts = 0;
    for (; num_parts < max_parts && parts->Read(&part); ++num_parts) std::cout << part.text() << std::flush;
    std::cout << '\n';
    bool is_left = num_parts == max_parts;
    if (is_left) context.TryCancel();
    if (auto status = parts->Finish(); !is_left || status.error_code() != grpc::CANCELLED) check(status);
}

int main(int argc, char** argv) {
    auto channel = grpc::CreateChannel(argc > 1 ? argv[1] : "127.0.0.1:50051", credentials(argc > 2 ? argv[2] : nullptr));
    grpc::ClientContext context, whole_context, soon, unknown;
    grpc::health::v1::HealthCheckResponse health;
    check(grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &health));
    std::cout << "health: " << grpc::health::v1::HealthCheckResponse::ServingStatus_Name(health.status()) << '\n';

    auto service = pb::TextGenerationService::NewStub(channel);
    pb::RunRequest request;
    request.set_model("@runstream/demo");
    request.mutable_prompt()->set_text("Where is New York?");
    request.mutable_sampling_params()->set_seed(7);
    pb::RunResponse answer;
    use_token(whole_context);
    check(service->Run(&whole_context, request, &answer));
    std::cout << answer.text() << " (" << answer.usage().completion_tokens() << " tokens)\n";
    stream(*service, request, 1'000'000);
    stream(*service, request, 3);

    use_token(soon);
    soon.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1));
    bool is_late = service->Run(&soon, request, &answer).error_code() == grpc::DEADLINE_EXCEEDED;
    std::cout << "deadline: " << (is_late ? "DEADLINE_EXCEEDED" : "met") << '\n';
    request.set_model("@unknown/model");
    use_token(unknown);
    google::rpc::Status details;
    details.ParseFromString(service->Run(&unknown, request, &answer).error_details());
    google::rpc::ErrorInfo info;
    for (const auto& detail : details.details())
        if (detail.UnpackTo(&info)) std::cout << "error: " << info.reason() << '\n';
}
