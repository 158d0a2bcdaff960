#!/usr/bin/env bash
# Puts a release build of the appliance on this Debian 12 machine, or takes it off again.
#   deploy/install.sh install [FOLDER]   FOLDER: where rollcall and libonnxruntime.so are (default target/release)
#   deploy/install.sh remove             takes the program off; config, keys and records stay
#   deploy/install.sh purge --yes        takes everything off: the records are gone for good
# Installing over an older version is an upgrade: config and state stay.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
root=${DESTDIR:-}
packages=(libavcodec59 libavformat59 libavutil57 libswscale6 libssl3 adduser)

fail() { echo "install.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "must be run as root"
has_systemd() { [ -d /run/systemd/system ]; }

# The models under /usr/share are Rollcall's own and are replaced by every upgrade. What somebody has changed there is not
# replaced, nor removed: installed.sha256 tells what was put there.
models_are_ours() {
  local folder=$root/usr/share/rollcall/models
  [ -f "$folder/models.toml" ] || return 0
  if [ -f "$folder/installed.sha256" ]; then
    (cd "$folder" && sha256sum --check --status installed.sha256) && return 0
  elif cmp -s "$folder/models.toml" "$here/models/models.toml"; then
    return 0
  fi
  cat >&2 <<CHANGED
install.sh: nothing was done: the models in $folder are not those that were last installed.
  If they are your own, keep them where no upgrade touches them:
    cp -a $folder $root/etc/rollcall/models
    and in $root/etc/rollcall/rollcall.toml:
    [models]
    manifest = "/etc/rollcall/models/models.toml"
  Then, or if they are not your own, remove $folder/models.toml and run this again.
CHANGED
  exit 1
}

install_it() {
  local from=${1:-$here/target/release}
  for file in rollcall libonnxruntime.so; do
    [ -f "$from/$file" ] || fail "$from/$file is missing; make build makes it"
  done
  [ -f "$here/models/models.toml" ] || fail "$here/models is missing"
  local machine; machine=$(od -An -t x2 -j 18 -N 2 "$from/rollcall" | tr -d ' ')
  case "$(uname -m):$machine" in
    x86_64:003e | aarch64:00b7) ;;
    *) fail "$from/rollcall is built for another kind of machine than this one ($(uname -m))" ;;
  esac
  models_are_ours
  local missing=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  getent passwd rollcall >/dev/null ||
    adduser --system --group --quiet --home /var/lib/rollcall --no-create-home rollcall
  install -d -m 0700 -o rollcall -g rollcall "$root/var/lib/rollcall"
  install -d -m 0750 -o root -g rollcall "$root/etc/rollcall"
  install -d "$root/usr/lib/rollcall" "$root/usr/share/rollcall/models/licences" "$root/usr/share/doc/rollcall"
  install -m 0644 "$from/libonnxruntime.so" "$root/usr/lib/rollcall/"
  install -m 0644 "$here"/models/models.toml "$here"/models/*.onnx "$root/usr/share/rollcall/models/"
  (cd "$root/usr/share/rollcall/models" && sha256sum models.toml ./*.onnx >installed.sha256)
  install -m 0644 "$here"/models/licences/* "$root/usr/share/rollcall/models/licences/"
  install -m 0644 "$here/LICENSE" "$root/usr/share/doc/rollcall/"
  [ ! -d "$here/docs" ] || install -m 0644 "$here"/docs/*.md "$root/usr/share/doc/rollcall/"
  # The program last, under another name first: a running one is never written over.
  install -m 0755 "$from/rollcall" "$root/usr/bin/rollcall.new"
  mv "$root/usr/bin/rollcall.new" "$root/usr/bin/rollcall"
  install -D -m 0644 "$here/systemd/rollcall.service" "$root/usr/lib/systemd/system/rollcall.service"
  if has_systemd; then
    systemctl daemon-reload
    systemctl is-active --quiet rollcall && systemctl restart rollcall
  fi
  echo "installed: $("$root/usr/bin/rollcall" --version)"
  [ -f "$root/etc/rollcall/rollcall.toml" ] || cat <<'NEXT'
Next:
  rollcall init --site 实训基地 --room 301 --camera /dev/video0
  chown -R rollcall:rollcall /var/lib/rollcall /etc/rollcall
  systemctl enable --now rollcall
NEXT
}

remove_it() {
  if has_systemd; then systemctl disable --now --quiet rollcall 2>/dev/null || true; fi
  rm -f "$root/usr/bin/rollcall" "$root/usr/lib/systemd/system/rollcall.service"
  rm -rf "$root/usr/lib/rollcall" "$root/usr/share/rollcall" "$root/usr/share/doc/rollcall"
  if has_systemd; then systemctl daemon-reload; fi
}

case "${1:-}" in
  install) install_it "${2:-}" ;;
  remove)
    models_are_ours
    remove_it
    echo "removed; config and records stay in /etc/rollcall and /var/lib/rollcall"
    ;;
  purge)
    [ "${2:-}" = --yes ] || fail "purge deletes the keys and all records, which cannot be had back; add --yes if that is meant"
    remove_it
    rm -rf "$root/etc/rollcall" "$root/var/lib/rollcall"
    getent passwd rollcall >/dev/null && deluser --quiet rollcall
    echo "removed, with keys and records"
    ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
