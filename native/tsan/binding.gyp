{
  "variables": {"root": ".."},
  "includes": ["../sources.gypi"],
  "targets": [{
    "target_name": "idloc",
    "cflags!": ["-O3", "-fomit-frame-pointer"],
    "cflags_cc": ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=thread", "-Wno-tsan"],
    "ldflags": ["-fsanitize=thread"]
  }]
}
