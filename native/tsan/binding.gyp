{
  "variables": {"root": ".."},
  "includes": ["../sources.gypi"],
  "targets": [{
    "target_name": "idloc",
    "sources": ["<!@(../together.sh ../src build/together data_plane binding)"],
    "cflags!": ["-O3", "-fomit-frame-pointer"],
    "cflags_cc": ["-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=thread", "-Wno-tsan"],
    "ldflags": ["-fsanitize=thread"]
  }]
}
