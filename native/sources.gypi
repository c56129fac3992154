{
  "variables": {
    # Linked into the addon, so that there is nothing more to install; without it OpenSSL alone ciphers records.
    "ipsec_mb%": "<!(file=$(${CXX:-g++} -print-file-name=libIPSec_MB.a); test ! -f $file || echo $file)"
  },
  # Shared by binding.gyp (release), asan/binding.gyp and tsan/binding.gyp: `root` is where src/ lies as seen from the including file.
  "target_defaults": {
    "type": "loadable_module",
    "include_dirs": ["<(root)/src"],
    "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED",
                "OPENSSL_API_COMPAT=30000", "OPENSSL_NO_DEPRECATED"],
    "conditions": [["ipsec_mb!=''", {
      "defines": ["IDLOC_IPSEC_MB"],
      "libraries": ["<(ipsec_mb)"],
      "ldflags": ["-Wl,--exclude-libs,libIPSec_MB.a", "-Wl,--gc-sections", "-Wl,-z,noexecstack"]
    }]],
    "cflags": ["-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
    "cflags_cc!": ["-std=gnu++17", "-fexceptions"],
    "cflags_cc": ["-std=gnu++20", "-fno-exceptions", "-fno-rtti",
                  "-isystem<!(node -p \"require('path').resolve(require.resolve('node-addon-api'), '..')\")"]
  }
}
