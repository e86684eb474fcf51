"""Names that tell something about an address: throw-away domains, mailboxes of a role, mistyped providers.

The lists are our own: names of public services and habits of writing, put together by hand and covered by the
project's licence. They are a beginning; a tenant's own findings belong into suppressions.
"""

from __future__ import annotations

from functools import lru_cache


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


DISPOSABLE_DOMAINS = _names(
    """
    0815.ru 10mail.org 10minutemail.co.za 10minutemail.com 10minutemail.net 10minutemail.org
    1secmail.com 1secmail.net 1secmail.org 20mail.it 20minutemail.com 20minutemail.it 2prong.com
    30minutemail.com 33mail.com 3d-painting.com 4warding.com 60minutemail.com 675hosting.com
    6url.com 75hosting.com 9ox.net a-bc.net afrobacon.com ajaxapp.net amilegit.com anonbox.net
    anonymbox.com antichef.com antispam.de armyspy.com baxomale.ht.cx beefmilk.com binkmail.com
    bobmail.info bofthew.com bouncr.com boun.cr boxformail.in brefmail.com bsnow.net bugmenot.com
    bumpymail.com burnermail.io byom.de casualdx.com centermail.com chammy.info cool.fr.nf
    correo.blogos.net cosmorph.com courriel.fr.nf courrieltemporaire.com cubiclink.com curryworld.de
    cust.in cuvox.de dacoolest.com dandikmail.com dayrep.com deadaddress.com deadspam.com despam.it
    despammed.com devnullmail.com dfgh.net digitalsanctuary.com discardmail.com discardmail.de
    disposableaddress.com disposableemailaddresses.com disposableinbox.com dispose.it
    disposeamail.com disposemail.com dispostable.com dodgeit.com dodgit.com dontreg.com
    dontsendmespam.de drdrb.com drdrb.net dropmail.me dump-email.info dumpandjunk.com dumpyemail.com
    e4ward.com easytrashmail.com einrot.com email60.com emaildienst.de emailfake.com emailigo.de
    emailinfive.com emailmiser.com emailondeck.com emailsensei.com emailtemporanea.com
    emailtemporanea.net emailtemporario.com.br emailthe.net emailtmp.com emailwarden.com
    emailx.at.hm emailxfer.com emltmp.com ephemail.net etranquil.com explodemail.com fakeinbox.com
    fakeinformation.com fakemail.fr fakemail.net fakemailgenerator.com fastacura.com filzmail.com
    fizmail.com fleckens.hu flyspam.com frapmail.com fudgerub.com garliclife.com get1mail.com
    get2mail.fr getairmail.com getnada.com getonemail.com getonemail.net ghosttexter.de
    girlsundertheinfluence.com gishpuppy.com great-host.in grr.la guerillamail.com guerillamail.org
    guerrillamail.biz guerrillamail.com guerrillamail.de guerrillamail.info guerrillamail.net
    guerrillamail.org guerrillamailblock.com gustr.com haltospam.com harakirimail.com hatespam.org
    hidemail.de hmamail.com hochsitze.com hulapla.de ieatspam.eu ieatspam.info imails.info
    inboxalias.com inboxbear.com inboxclean.com inboxclean.org inboxkitten.com incognitomail.com
    incognitomail.net incognitomail.org insorg-mail.info ipoo.org irish2me.com iwi.net jetable.com
    jetable.fr.nf jetable.net jetable.org jourrapide.com junk1e.com kasmail.com kaspop.com
    killmail.com killmail.net klassmaster.com klzlk.com koszmail.pl kurzepost.de letthemeatspam.com
    lhsdv.com lifebyfood.com link2mail.net litedrop.com lookugly.com lortemail.dk lroid.com
    m4ilweb.info maboard.com mail-temp.com mail-temporaire.fr mail.tm mail2rss.org mail333.com
    mailbidon.com mailbiz.biz mailblocks.com mailcatch.com mailde.de maildrop.cc maileater.com
    mailexpire.com mailfa.tk mailforspam.com mailfreeonline.com mailguard.me mailin8r.com
    mailinater.com mailinator.com mailinator.net mailinator.org mailinator2.com mailincubator.com
    mailme.ir mailmetrash.com mailmoat.com mailnator.com mailnesia.com mailnull.com mailpoof.com
    mailsac.com mailscrap.com mailseal.de mailshell.com mailsiphon.com mailslite.com mailtemp.info
    mailtothis.com mailzilla.com mailzilla.org mbx.cc mega.zik.dj meltmail.com messagebeamer.de
    mierdamail.com minuteinbox.com mintemail.com moakt.com mohmal.com moncourrier.fr.nf
    monemail.fr.nf monmail.fr.nf mt2009.com mx0.wwwnew.eu mycleaninbox.net mypartyclip.de
    myphantomemail.com mytemp.email mytempemail.com mytrashmail.com nada.email neomailbox.com
    nepwk.com nervmich.net nervtmich.net netmails.com netmails.net neverbox.com nobulk.com
    noclickemail.com nogmailspam.info nomail.xl.cx nomail2me.com nospam.ze.tc nospam4.us
    nospamfor.us nospammail.net notmailinator.com nowmymail.com nurfuerspam.de objectmail.com
    obobbo.com oneoffemail.com onewaymail.com ordinaryamerican.net otherinbox.com ovpn.to owlpic.com
    pancakemail.com pjjkp.com pookmail.com privacy.net privatdemail.net proxymail.eu prtnx.com
    putthisinyourspamdatabase.com quickinbox.com rcpt.at recode.me recursor.net regbypass.com
    rejectmail.com rhyta.com rklips.com rmqkr.net rtrtr.com s0ny.net safe-mail.net safersignup.de
    safetymail.info safetypost.de sandelf.de saynotospams.com selfdestructingmail.com
    sendspamhere.com sharklasers.com shieldemail.com shiftmail.com shitmail.me shortmail.net
    sibmail.com skeefmail.com slaskpost.se slopsbox.com smellfear.com snakemail.com sneakemail.com
    sofort-mail.de sogetthis.com soodonims.com spam.la spam.su spam4.me spamavert.com spambob.com
    spambob.net spambob.org spambog.com spambog.de spambog.ru spambox.info spambox.us spamcannon.com
    spamcannon.net spamcero.com spamcon.org spamcorptastic.com spamcowboy.com spamday.com
    spamdecoy.net spamex.com spamfree24.com spamfree24.de spamfree24.eu spamfree24.info
    spamfree24.net spamfree24.org spamgourmet.com spamgourmet.net spamgourmet.org spamherelots.com
    spamhole.com spamify.com spaml.com spaml.de spammotel.com spamobox.com spamoff.de spamslicer.com
    spamspot.com spamthis.co.uk spamtrail.com speed.1s.fr superrito.com suremail.info teewars.org
    teleworm.com teleworm.us temp-mail.io temp-mail.org temp-mail.ru tempail.com tempalias.com
    tempe-mail.com tempemail.biz tempemail.co.za tempemail.com tempemail.net tempinbox.co.uk
    tempinbox.com tempmail.de tempmail.dev tempmail.eu tempmail.it tempmail.plus tempmail2.com
    tempmailer.com tempmailer.de tempmailo.com tempomail.fr temporarily.de temporarioemail.com.br
    temporaryemail.net temporaryforwarding.com temporaryinbox.com thankyou2010.com
    thisisnotmyrealemail.com throwaway.email throwawayemailaddress.com throwawaymail.com tilien.com
    tmail.ws tmailinator.com tmpmail.net tmpmail.org toiea.com tradermail.info trash-amil.com
    trash-mail.at trash-mail.com trash-mail.de trash2009.com trashdevil.com trashdevil.de
    trashemail.de trashmail.at trashmail.com trashmail.de trashmail.me trashmail.net trashmail.org
    trashmail.ws trashmailer.com trashymail.com trashymail.net trbvm.com trillianpro.com turual.com
    twinmail.de tyldd.com uggsrock.com upliftnow.com uplipht.com venompen.com veryrealemail.com
    viditag.com walkmail.net webemail.me weg-werf-email.de wegwerf-email-addressen.de
    wegwerf-emails.de wegwerfadresse.de wegwerfemail.de wegwerfmail.de wegwerfmail.info
    wegwerfmail.net wegwerfmail.org wetrainbayarea.com wh4f.org whyspam.me willselfdestruct.com
    winemaven.info wronghead.com wuzup.net xagloo.com xemaps.com xents.com xmaily.com xoxy.net
    yep.it yogamaven.com yopmail.com yopmail.fr yopmail.net yuurok.com zehnminutenmail.de
    zippymail.info zoemail.net zoemail.org
    """
)

ROLE_NAMES = _names(
    """
    abuse accounting accounts admin administracion administrateur administrator all anfrage
    appointments billing booking bookings buchhaltung business career careers commercial compliance
    compta comptabilite contabilidad contact contacto contactus contato customercare customerservice
    devnull direction dns einkauf email empfang enquiries everyone facturation feedback finance ftp
    general hello help helpdesk hostmaster hr impressum info informacion information inquiries
    inquiry invoice invoices it jobs kontakt legal list mail mailbox mailer-daemon marketing media
    news newsletter no-reply noc noreply nospam null office orders personal postmaster pr presse
    press privacy recepcion reception recruiting recruitment registrar reklamation remove request
    reservations root rrhh sales secretaria secretariat security service services shop spam staff
    subscribe support sysadmin team tech technik unsubscribe usenet uucp vendas ventas verkauf
    vertrieb webmaster welcome www
    """
)

# The names that people mean, with the ending they mean.
_PROVIDERS = _names(
    "gmail.com yahoo.com yahoo.fr hotmail.com hotmail.fr outlook.com outlook.fr icloud.com orange.fr "
    "wanadoo.fr laposte.net protonmail.com googlemail.com btinternet.com comcast.net verizon.net"
)
# Domains in use by themselves although they look like a slip.
_REAL = _names("mail.com email.com gail.com ymail.com yaoo.com range.fr oogle.com hotmai.com")
_ENDINGS = {"com": ("con", "cmo", "ocm", "vom", "comm", "coom", "cim", "xom"), "net": ("nte", "ent", "nett")}
_NEIGHBOURS = {
    "gnail.com": "gmail.com",
    "gmaol.com": "gmail.com",
    "gmaul.com": "gmail.com",
    "gmsil.com": "gmail.com",
    "hitmail.com": "hotmail.com",
    "hotmaul.com": "hotmail.com",
    "outlok.com": "outlook.com",
    "yshoo.com": "yahoo.com",
    "yahho.com": "yahoo.com",
}


def _slips(name: str) -> set[str]:
    """`name` with one letter lost, doubled, or exchanged with the next one."""
    lost = {name[:i] + name[i + 1 :] for i in range(len(name))}
    doubled = {name[:i] + name[i] + name[i:] for i in range(len(name))}
    swapped = {name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(len(name) - 1)}
    return (lost | doubled | swapped) - {name}


@lru_cache(maxsize=1)
def typo_domains() -> dict[str, str]:
    """Mistyped domain to the one that was probably meant."""
    found = dict(_NEIGHBOURS)
    for domain in sorted(_PROVIDERS):
        name, _, ending = domain.partition(".")
        for slip in _slips(name):
            found.setdefault(f"{slip}.{ending}", domain)
        for wrong in _ENDINGS.get(ending, ()):
            found.setdefault(f"{name}.{wrong}", domain)
    return {wrong: meant for wrong, meant in found.items() if wrong not in _REAL and wrong not in _PROVIDERS}
