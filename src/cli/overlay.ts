import { Command, Option } from 'commander';
import { PUBLISHED } from './ask-rendezvous.ts';
import { certificateLifetime, jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
  readonly rendezvous?: 'none' | 'mainline';
  /** Seconds. */
  readonly certificateLifetime?: number;
}

export function overlayCommand(): Command {
  return new Command('overlay')
    .description("what all members of the overlay agree on; with the authority's key: changes it, for all of them")
    .addOption(
      new Option(
        '--rendezvous <place>',
        "where members find each other beside the LAN from now on: mainline is BitTorrent's DHT, whose nodes see their addresses",
      ).choices(['none', 'mainline']),
    )
    .option(
      '--certificate-lifetime <time>',
      'how long certificates live that are issued from now on: 90d, 24h',
      certificateLifetime,
    )
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async ({ socket, json, rendezvous, certificateLifetime: lifetime }: Options) => {
      const { request } = await import('../control/client.ts');
      const result = await request(socket, 'overlay', {
        ...(rendezvous !== undefined && { rendezvous }),
        ...(lifetime !== undefined && { certificateLifetimeS: lifetime }),
      });
      if (result.changed && rendezvous === 'mainline')
        note(`members meet through BitTorrent's public DHT from now on. ${PUBLISHED}`);
      if (json === true) {
        printJson(result);
        return;
      }
      const { formatOverlay } = await import('./format-overlay.ts');
      print(formatOverlay(result));
    });
}
