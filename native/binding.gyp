{
  "variables": {"root": "."},
  "includes": ["sources.gypi"],
  "targets": [{
    "target_name": "idloc",
    "sources": ["<!@(find src -name '*.cc' | sort)"],
    "cflags_cc": ["-O3"]
  }]
}
