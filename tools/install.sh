#!/usr/bin/env bash
# Installs what a build needs: LLVM and clang 19 from the system's packages, the rest into a virtual environment.
# Usage: tools/install.sh [VENV]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

debian_packages=(g++ cmake ninja-build ccache clang-19 llvm-19-dev libclang-19-dev lld-19 python3-venv)
# The tests run what mslc compiles for AArch64 as well, emulated.
[ "$(uname -m)" != x86_64 ] || debian_packages+=(g++-aarch64-linux-gnu qemu-user)

missing_packages() {
  local package
  for package in "${debian_packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

install_debian_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] && return
  echo "Installing ${missing[*]}"
  local sudo=""
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

case "$(uname -s)" in
  Linux)
    if ! command -v apt-get >/dev/null; then
      echo "install.sh: no apt-get here. Install these by hand: ${debian_packages[*]}" >&2
      exit 1
    fi
    install_debian_packages
    ;;
  Darwin)
    xcode-select -p >/dev/null 2>&1 || { echo "install.sh: run 'xcode-select --install' first" >&2; exit 1; }
    ;;
esac

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet -r requirements.txt
