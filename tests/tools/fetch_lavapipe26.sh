#!/bin/sh
# Fetches Debian unstable's lavapipe and all libraries that it needs into a folder (350 MB), for the tests
# named @lavapipe26. The source is the mirror that this Debian uses. Installs nothing; needs apt-get, but not
# root.
#   fetch_lavapipe26.sh [FOLDER]      the default is build/lavapipe26, where the tests look
set -eu
cd "$(dirname "$0")/../.."
tree=${1:-build/lavapipe26}
mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)*\([^ ]*\).*/\2/p' | head -n 1)
[ -n "$mirror" ] || { echo "no mirror in debian.sources or sources.list of /etc/apt" >&2; exit 1; }
rm -rf "$tree.part"
mkdir -p "$tree.part"
part=$(cd "$tree.part" && pwd)
apt=$part/apt
mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/archives/partial"
: >"$apt/status" # an empty list of installed packages: apt fetches every library
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<END
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
END
export APT_CONFIG="$apt/apt.conf"
apt-get update -qq
apt-get install -qq -y --download-only mesa-vulkan-drivers libvulkan1 >/dev/null
for package in "$apt"/archives/*.deb; do dpkg -x "$package" "$part"; done
rm -rf "$apt" "$tree"
mv "$part" "$tree"
echo "$tree: $(basename "$(ls "$tree"/usr/lib/*/libLLVM*.so.*.* | head -n 1)"), now configure the build again"
