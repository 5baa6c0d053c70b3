#!/usr/bin/env bash
# precompile.sh OUTPUT CACHE CROSSGEN FRAMEWORKS: replaces the assemblies of a test project's output by precompiled ones (ReadyToRun).
#
# Programs that the tests start live for seconds, and compiling at run time is most of what they do. The compiled code is the same IL with
# native code beside it; what runs often is compiled anew by the runtime as always. CACHE holds what has been compiled, by content, for all
# projects; the build copies an assembly again when it has changed, and it is found changed here. What cannot be compiled is said and stays as it is.
set -euo pipefail
output=$1 cache=$2 crossgen=$3 frameworks=$4
for needed in "$crossgen" ${frameworks//;/ }; do
    [[ -e $needed ]] || { echo "precompile: left out, there is no $needed: the tests take longer"; exit 0; }
done
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

# the larger ones first, so that the last one does not keep the others waiting; LanguageExt.Core compiles for minutes
cd "$output"
names=$(ls -S ./*.dll | grep -E '^\./(DistOpt\.|Akka|DotNetty|MessagePack|TorchSharp|YamlDotNet|System\.CommandLine|Spectre|Google\.Protobuf|Newtonsoft|OpenTelemetry|Microsoft\.Data\.Sqlite|SQLitePCLRaw|System\.Numerics\.Tensors|System\.Configuration|linq2db)')
known=$(ls -i "$cache" | awk '{print $1}')
todo=()
for file in $names; do
    grep -qx "$(stat -c %i "$file")" <<<"$known" || todo+=("$file")
done
((${#todo[@]})) || exit 0

references=(-r "$output/*.dll")
for framework in ${frameworks//;/ }; do references+=(-r "$framework/*.dll"); done
compile() {
    local file=$1 key
    key=$(sha256sum "$file" | cut -c1-32)-$(basename "$file")
    if [[ ! -e "$cache/$key" ]]; then
        if ! "$crossgen" "$file" -o "$cache/$key.new" "${references[@]}" --targetos linux --targetarch x64 -O >"$cache/$key.log" 2>&1; then
            echo "precompile: $(basename "$file") stays as it is: $(tail -n 1 "$cache/$key.log") (more in $cache/$key.log)"
            return 0
        fi
        rm "$cache/$key.log"
        mv "$cache/$key.new" "$cache/$key"
    fi
    # never written in place: the file may be a link to the one in the package cache
    ln -f "$cache/$key" "$file.new"
    mv -f "$file.new" "$file"
}
running=0
for file in "${todo[@]}"; do
    if ((running >= $(nproc))); then
        wait -n
        running=$((running - 1))
    fi
    compile "$file" &
    running=$((running + 1))
done
for ((; running > 0; running--)); do wait -n; done
# what no output has any more
find "$cache" -name '*.dll' -links 1 -mmin +600 -delete
