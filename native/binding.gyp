{
  "variables": {"root": "."},
  "includes": ["sources.gypi"],
  "targets": [{"target_name": "idloc", "cflags_cc": ["-O3"]}]
}
