# Sourced by scripts/install and scripts/package, after setup.sh: what a host needs of idloc, in one folder.

# stage FOLDER: the command line, the data plane, the runtime and what others have written of it. `compile_ahead` there is for
# the host itself: V8 refuses code that was compiled for another processor.
stage() {
  local folder=$1 addon package
  install -D -m 755 bin/idloc "$folder/bin/idloc"
  install -m 644 package.json LICENSE "$folder/"
  install -D -m 755 -t "$folder/libexec" systemd/guard systemd/resolved-link systemd/answering-machine systemd/compile-ahead
  for addon in native/build/Release/*.node; do
    install -D -m 755 -t "$folder/native/build/Release" "$addon"
  done
  install -D -m 755 "$node" "$folder/node_modules/node-linux-$node_arch/bin/node"
  install -m 644 -t "$folder/node_modules/node-linux-$node_arch" "$node_home/package.json" "$node_home/LICENSE"
  # Loaded by name when an overlay is made (src/identity/new-overlay-name.ts): it takes too long for every start.
  for package in tldts tldts-core; do
    install -D -m 644 -t "$folder/node_modules/$package" "node_modules/$package/package.json"
    mkdir -p "$folder/node_modules/$package/dist"
    cp -R "node_modules/$package/dist/cjs" "$folder/node_modules/$package/dist/"
  done
  # Symbols are of no use to who runs it: 20 MB.
  if command -v strip >/dev/null; then
    strip --strip-unneeded "$folder/node_modules/node-linux-$node_arch/bin/node" "$folder"/native/build/Release/*.node
  fi
  # It is loaded, not run.
  chmod 644 "$folder"/native/build/Release/*.node
  "$node" scripts/bundle.ts "$folder/dist" >&2
  "$node" scripts/licenses.ts "$folder/licenses" >&2
  find "$folder/licenses" "$folder/node_modules/tldts" "$folder/node_modules/tldts-core" -type f -exec chmod 644 {} +
  chmod -R u=rwX,go=rX "$folder"
}
