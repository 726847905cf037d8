#!/bin/sh
# Installs lowcap-cdc and lowcap-parquet from a release. Nothing is started and nothing is replaced before the release's signature,
# and the checksums that it signs, are verified with a key that you name:
#
#   sh install.sh --key release.pub
#
# release.pub holds the release's public key, one line. Take it from another place than the release: who can replace the release can
# also replace a key that lies beside it. Needs ssh-keygen (OpenSSH 8.1 or later), and curl when --from is an address.
set -eu

usage() {
  cat <<END
sh install.sh --key FILE [--from DIR|URL] [--to DIR] [--version VERSION]

  --key FILE         the release's public key, or several, one a line
  --from DIR|URL     where the release's files are; this script's directory by default
  --to DIR           where the programs go; /usr/local/bin by default
  --version VERSION  refuse any other, such as an older one
END
}

fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

misused() { printf 'install.sh: %s; see: sh install.sh --help\n' "$*" >&2; exit 2; }

# said prints in one line what a program complained of.
said() { tr -s '\r\n' '  ' < "$work/said"; }

# fetch copies a file of the release into a directory of our own: what is verified is what is installed.
fetch() {
  case $from in
    http://*|https://*)
      command -v curl >/dev/null || fail "curl is missing; install it, or download the release's files and say --from DIR"
      curl --fail --silent --show-error --location --max-time 900 --max-filesize 100000000 --output "$work/$1" "$from/$1" 2>"$work/said" ;;
    *) cp -- "$from/$1" "$work/$1" 2>"$work/said" ;;
  esac || fail "no $1 in $from: $(said); nothing was installed"
}

# verify accepts SHA256SUMS when a key that we were given has signed it, as a release of this program.
verify() {
  command -v ssh-keygen >/dev/null || fail "ssh-keygen is missing, which verifies the signature; install OpenSSH's client (openssh-client)"
  grep -E '^(ssh|ecdsa|sk)-' -- "$key" 2>"$work/said" | sed 's/^/lowcap-cdc namespaces="lowcap-cdc-release" /' > "$work/signers"
  [ -s "$work/signers" ] || fail "$key holds no public key of ssh: $(said)"
  fetch SHA256SUMS
  fetch SHA256SUMS.sig
  if ! ssh-keygen -Y verify -f "$work/signers" -I lowcap-cdc -n lowcap-cdc-release -s "$work/SHA256SUMS.sig" \
    < "$work/SHA256SUMS" > "$work/said" 2>&1; then
    ! grep -qiE '(unknown|illegal|invalid) option' "$work/said" || fail "this ssh-keygen cannot verify signatures; OpenSSH 8.1 can"
    fail "SHA256SUMS is not signed with the key in $key: $(said); nothing was installed"
  fi
  signature=$(said)
}

# check accepts a file of the release when it has the checksum that was signed.
check() {
  fetch "$1"
  signed=$(awk -v name="$1" '$2 == name { print $1 }' "$work/SHA256SUMS")
  [ ${#signed} -eq 64 ] || fail "SHA256SUMS does not name $1 exactly once; nothing was installed"
  found=$(if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi < "$work/$1")
  [ "${found%% *}" = "$signed" ] || fail "$1 is not the file that was signed: its SHA-256 is ${found%% *}, and $signed was signed; nothing was installed"
}

platform() {
  case $(uname -s) in Linux) system=linux ;; Darwin) system=darwin ;; *) fail "there is no program for $(uname -s)" ;; esac
  case $(uname -m) in x86_64|amd64) machine=amd64 ;; aarch64|arm64) machine=arm64 ;; *) fail "there is no program for $(uname -m)" ;; esac
  platform=$system-$machine
}

# place puts a verified program beside where it goes, so that the last step is a rename.
place() {
  new=$to/.$1.new
  cp "$work/$1-$platform" "$new" 2>"$work/said" && chmod 755 "$new" || fail "cannot write into $to: $(said); run it as root, or say --to DIR"
}

main() {
  key='' from='' to=/usr/local/bin wanted=''
  while [ $# -gt 0 ]; do
    case $1 in
      -h|--help) usage; exit 0 ;;
      --key|--from|--to|--version) [ $# -ge 2 ] || misused "$1 needs a value" ;;
      *) misused "what is $1?" ;;
    esac
    case $1 in --key) key=$2 ;; --from) from=${2%/} ;; --to) to=$2 ;; --version) wanted=$2 ;; esac
    shift 2
  done
  [ -n "$key" ] || misused "which key do you trust? say --key FILE, with the release's public key from another place than the release"
  [ -n "$from" ] || from=$(dirname "$0")
  new='' work=$(mktemp -d)
  trap 'rm -rf "$work"; for p in lowcap-cdc lowcap-parquet; do rm -f "$to/.$p.new"; done' EXIT
  trap 'exit 1' HUP INT TERM
  platform
  verify
  check VERSION
  version=$(cat "$work/VERSION")
  [ -z "$wanted" ] || [ "$wanted" = "$version" ] || fail "the release is $version, not $wanted; nothing was installed"
  check "lowcap-cdc-$platform"
  check "lowcap-parquet-$platform"
  mkdir -p "$to" 2>"$work/said" || fail "cannot make $to: $(said); run it as root, or say --to DIR"
  place lowcap-cdc
  place lowcap-parquet
  is=$("$to/.lowcap-cdc.new" version 2>"$work/said") || fail "lowcap-cdc does not start here: $(said); nothing was installed"
  mv -f "$to/.lowcap-cdc.new" "$to/lowcap-cdc"
  mv -f "$to/.lowcap-parquet.new" "$to/lowcap-parquet"
  printf '%s\n%s\n%s and lowcap-parquet are in %s\n' "$signature" "checksums verified" "$is" "$to"
}

main "$@"
