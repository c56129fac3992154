"""A PJSIP phone (pjsua2) without sound card: commands by line on standard input, events by line on standard output.

pjsua.py USER@DOMAIN NAMESERVER SPEECH.wav PORT [option ...]; options: manual (rings until `answer`), tcp, 100rel, mwi,
proxy=HOST (its registrar, and where it calls by; absent: by DNS)
"""

import os
import select
import sys

import pjsua2 as pj

address_of_record, nameserver, speech, port = sys.argv[1:5]
options = sys.argv[5:]
domain = address_of_record.split("@")[1]
calls = []


def tell(*words):
    print(*words, flush=True)


class Call(pj.Call):
    player = None

    def onCallState(self, prm):
        info = self.getInfo()
        tell(info.stateText.replace(" ", "_"), info.lastStatusCode, info.lastReason)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED and self in calls:
            calls.remove(self)

    def onCallMediaState(self, prm):
        # It owns the list.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            tell("MEDIA", media.status)
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.player = pj.AudioMediaPlayer()
                self.player.createPlayer(speech)
                self.player.startTransmit(self.getAudioMedia(index))

    def onDtmfDigit(self, prm):
        tell("DTMF", prm.digit, prm.method)

    def onCallTransferStatus(self, prm):
        tell("TRANSFER", prm.statusCode, prm.reason)

    def onCallReplaced(self, prm):
        # This one is over in a moment, and its object with it.
        call = Call(account, prm.newCallId)
        calls.append(call)
        prm.newCall = call


class Account(pj.Account):
    def onRegState(self, prm):
        tell("REGISTERED", prm.code, prm.reason)

    def onIncomingCall(self, prm):
        call = Call(self, prm.callId)
        calls.append(call)
        tell("INCOMING", call.getInfo().remoteUri)
        answer(call, 180 if "manual" in options else 200)

    def onInstantMessage(self, prm):
        tell("MESSAGE", prm.fromUri, prm.msgBody)

    def onInstantMessageStatus(self, prm):
        tell("SENT", prm.code, prm.reason)

    def onMwiInfo(self, prm):
        tell("MWI", prm.rdata.wholeMsg.replace("\r", "").replace("\n", "|"))


class Buddy(pj.Buddy):
    def onBuddyState(self):
        info = self.getInfo()
        tell("PRESENCE", info.subStateName, info.presStatus.status, info.presStatus.statusText)


def answer(call, code):
    prm = pj.CallOpParam()
    prm.statusCode = int(code)
    call.answer(prm)


def obey(line):
    word, _, rest = line.partition(" ")
    call = calls[-1] if calls else None
    prm = pj.CallOpParam(True)
    if word == "call":
        call = Call(account)
        calls.append(call)
        call.makeCall(rest, prm)
    elif word == "answer":
        answer(call, rest or 200)
    elif word == "hangup":
        for one in list(calls):
            one.hangup(pj.CallOpParam())
    elif word == "hold":
        call.setHold(prm)
    elif word == "resume":
        prm.opt.flag |= pj.PJSUA_CALL_UNHOLD
        call.reinvite(prm)
    elif word == "update":
        call.update(prm)
    elif word == "media":
        packets = call.getStreamStat(0).rtcp
        tell("RTP", packets.rxStat.pkt, packets.txStat.pkt)
    elif word in ("dtmf", "info"):
        digits = pj.CallSendDtmfParam()
        digits.digits = rest
        digits.method = pj.PJSUA_DTMF_METHOD_RFC2833 if word == "dtmf" else pj.PJSUA_DTMF_METHOD_SIP_INFO
        call.sendDtmf(digits)
    elif word == "refer":
        call.xfer(rest, prm)
    elif word == "replace":
        calls[0].xferReplaces(calls[1], prm)
    elif word == "message":
        uri, _, text = rest.partition(" ")
        message = pj.SendInstantMessageParam()
        message.content = text
        buddy(uri).sendInstantMessage(message)
    elif word == "status":
        status = pj.PresenceStatus()
        status.status = pj.PJSUA_BUDDY_STATUS_OFFLINE if rest == "gone" else pj.PJSUA_BUDDY_STATUS_ONLINE
        status.activity = pj.PJRPID_ACTIVITY_BUSY if rest == "busy" else pj.PJRPID_ACTIVITY_UNKNOWN
        status.note = rest
        account.setOnlineStatus(status)
    elif word == "subscribe":
        buddy(rest).subscribePresence(True)


buddies = {}


def buddy(uri):
    if uri not in buddies:
        config = pj.BuddyConfig()
        config.uri = uri
        buddies[uri] = Buddy()
        buddies[uri].create(account, config)
    return buddies[uri]


endpoint = pj.Endpoint()
endpoint.libCreate()
settings = pj.EpConfig()
settings.uaConfig.threadCnt = 0
settings.uaConfig.mainThreadOnly = True
settings.uaConfig.nameserver.append(nameserver)
settings.medConfig.noVad = True
settings.logConfig.level = 5
settings.logConfig.consoleLevel = 0
settings.logConfig.filename = "pjsua.log"
endpoint.libInit(settings)
for kind in (pj.PJSIP_TRANSPORT_UDP, pj.PJSIP_TRANSPORT_TCP, pj.PJSIP_TRANSPORT_UDP6, pj.PJSIP_TRANSPORT_TCP6):
    transport = pj.TransportConfig()
    transport.port = int(port)
    endpoint.transportCreate(kind, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()

config = pj.AccountConfig()
config.idUri = f"sip:{address_of_record}"
config.regConfig.registrarUri = f"sip:{domain}" + (";transport=tcp" if "tcp" in options else "")
config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", address_of_record.split("@")[0], 0, "x"))
for option in options:
    if option.startswith("proxy="):
        config.regConfig.registrarUri = "sip:" + option.removeprefix("proxy=")
        config.sipConfig.proxies.append(config.regConfig.registrarUri + ";lr")
config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY if "100rel" in options else pj.PJSUA_100REL_NOT_USED
config.mwiConfig.enabled = "mwi" in options
account = Account()
account.create(config)
online = pj.PresenceStatus()
online.status = pj.PJSUA_BUDDY_STATUS_ONLINE
account.setOnlineStatus(online)

pending = b""
while True:
    endpoint.libHandleEvents(10)
    if not select.select([0], [], [], 0)[0]:
        continue
    read = os.read(0, 4096)
    if read == b"":
        break
    *lines, pending = (pending + read).split(b"\n")
    for line in lines:
        try:
            obey(line.decode())
        except Exception as error:
            tell("ERROR", line.decode(), str(error).replace("\n", " "))
        if line == b"quit":
            os._exit(0)
endpoint.libDestroy()
