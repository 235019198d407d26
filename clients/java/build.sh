#!/bin/sh
# Makes build/runstream-client.jar of the stubs, and compiles the example against it, with javac and the jars of Debian
# 12, for who has no Gradle:
#   apt-get install default-jdk-headless libgrpc-java libprotobuf-java libnetty-java libperfmark-java \
#       libjsr305-java libgoogle-gson-java libnetty-tcnative-java libnetty-tcnative-jni \
#       protobuf-compiler protobuf-compiler-grpc-java-plugin
# Further sources, given as arguments, are compiled with them. Then: java @build/options Example 127.0.0.1:50051
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/build}
rm -rf "$build/generated" "$build/classes" "$build/examples"
mkdir -p "$build/generated" "$build/native"

# Netty's jars one by one: netty-all.jar lacks classes there.
classpath=$build/runstream-client.jar:$build/examples
for jar in grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub guava protobuf protobuf-util \
    gson jsr305 perfmark-api netty-buffer netty-codec netty-codec-http netty-codec-http2 \
    netty-common netty-handler netty-resolver netty-transport netty-transport-native-unix-common netty-tcnative; do
    classpath=$classpath:/usr/share/java/$jar.jar
done

# Netty knows ALPN, which gRPC's TLS needs, by OpenSSL only there, and Debian's name of that library it does not know.
cp /usr/lib/*/jni/libnetty-tcnative.so "$build/native/libnetty_tcnative.so"
printf '%s\n' -classpath "\"$classpath\"" "\"-Djava.library.path=$build/native\"" >"$build/options"

# Debian has no grpc-services, where the stubs of health are, and a com.google.rpc that is older than ErrorInfo. The
# annotation that is deleted left Java with version 11.
protos=$here/../cpp/third_party
protoc -I"$protos" --java_out="$build/generated" --grpc-java_out="$build/generated" \
    --plugin=protoc-gen-grpc-java="$(command -v grpc_java_plugin)" "$protos"/google/rpc/*.proto \
    "$protos/grpc/health/v1/health.proto"
sed -i '/^@javax.annotation.Generated(/,/)$/d' "$build/generated/io/grpc/health/v1/HealthGrpc.java"

compile() { # FOLDER SOURCE...: the classes go to that folder of build/
    folder=$build/$1
    shift
    find "$@" -name '*.java' | sed 's/.*/"&"/' >"$build/sources"
    javac --release 11 -nowarn -d "$folder" -classpath "$classpath" "@$build/sources"
}
compile classes "$here/src"
jar --create --file "$build/runstream-client.jar" -C "$build/classes" .
compile examples "$build/generated" "$here/example" "$@"
