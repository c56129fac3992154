hops_test.o: unit/hops_test.cc support/hop_scene.h \
  ../src/link/link_control.h ../src/net/packet.h ../src/base/bytes.h \
  ../src/net/address.h ../src/relay/hop.h ../src/link/record_format.h \
  ../src/link/connection_id.h support/check.h \
  support/data_plane_tester.h ../src/data_plane/data_plane.h \
  ../src/base/counters.h ../src/data_plane/check_limiter.h \
  ../src/base/clock.h ../src/link/link_table.h ../src/link/link.h \
  ../src/link/dtls_session.h ../src/link/dtls_context.h \
  ../src/base/error.h ../src/link/record_cipher.h ../src/link/aead.h \
  ../src/link/replay_window.h ../src/link/path_set.h \
  ../src/net/local_ranks.h ../src/data_plane/command_queue.h \
  ../src/data_plane/command.h ../src/base/fd.h \
  ../src/relay/turn_channels.h ../src/stream/streams.h \
  ../src/stream/tls_context.h ../src/stream/tls_stream.h \
  ../src/stream/first_bytes.h ../src/udp/first_byte.h \
  ../src/stream/framing.h ../src/data_plane/event_ring.h \
  ../src/data_plane/event.h ../src/data_plane/lane.h \
  ../src/tun/coalescer.h ../src/tun/tun_device.h \
  ../src/tun/vnet_header.h ../src/udp/lane_sockets.h \
  ../src/net/uplinks.h ../src/net/netlink_messages.h \
  ../src/udp/udp_socket.h ../src/udp/transmit_queue.h \
  ../src/data_plane/limits.h ../src/data_plane/memory_trimmer.h \
  ../src/data_plane/schedule.h ../src/data_plane/stranger_limiter.h \
  ../src/link/resting_links.h ../src/net/network_monitor.h \
  ../src/relay/quota.h ../src/relay/turn_server.h ../src/tun/backlog.h \
  ../src/tun/segmenter.h ../src/tunnel/early_packets.h \
  ../src/tunnel/held_packets.h ../src/tunnel/tunnel_table.h \
  ../src/tunnel/voice_flows.h ../src/net/flow_key.h \
  ../src/udp/receive_depth.h support/devices.h support/source.h \
  support/packets.h support/tun_reads.h unit/test.h

support/hop_scene.h:

../src/link/link_control.h:

../src/net/packet.h:

../src/base/bytes.h:

../src/net/address.h:

../src/relay/hop.h:

../src/link/record_format.h:

../src/link/connection_id.h:

support/check.h:

support/data_plane_tester.h:

../src/data_plane/data_plane.h:

../src/base/counters.h:

../src/data_plane/check_limiter.h:

../src/base/clock.h:

../src/link/link_table.h:

../src/link/link.h:

../src/link/dtls_session.h:

../src/link/dtls_context.h:

../src/base/error.h:

../src/link/record_cipher.h:

../src/link/aead.h:

../src/link/replay_window.h:

../src/link/path_set.h:

../src/net/local_ranks.h:

../src/data_plane/command_queue.h:

../src/data_plane/command.h:

../src/base/fd.h:

../src/relay/turn_channels.h:

../src/stream/streams.h:

../src/stream/tls_context.h:

../src/stream/tls_stream.h:

../src/stream/first_bytes.h:

../src/udp/first_byte.h:

../src/stream/framing.h:

../src/data_plane/event_ring.h:

../src/data_plane/event.h:

../src/data_plane/lane.h:

../src/tun/coalescer.h:

../src/tun/tun_device.h:

../src/tun/vnet_header.h:

../src/udp/lane_sockets.h:

../src/net/uplinks.h:

../src/net/netlink_messages.h:

../src/udp/udp_socket.h:

../src/udp/transmit_queue.h:

../src/data_plane/limits.h:

../src/data_plane/memory_trimmer.h:

../src/data_plane/schedule.h:

../src/data_plane/stranger_limiter.h:

../src/link/resting_links.h:

../src/net/network_monitor.h:

../src/relay/quota.h:

../src/relay/turn_server.h:

../src/tun/backlog.h:

../src/tun/segmenter.h:

../src/tunnel/early_packets.h:

../src/tunnel/held_packets.h:

../src/tunnel/tunnel_table.h:

../src/tunnel/voice_flows.h:

../src/net/flow_key.h:

../src/udp/receive_depth.h:

support/devices.h:

support/source.h:

support/packets.h:

support/tun_reads.h:

unit/test.h:
