"""What the public pages say, in every language of `sendmill.languages`.

A table and not gettext: there is nothing to compile, and a language that lacks a phrase is no valid `Phrases`.
"""

from typing import NamedTuple


class Phrases(NamedTuple):
    """`question` and the two answers to it are filled in with `sender` and `address`."""

    unsubscribe: str
    question: str
    unsubscribed: str
    no_more: str
    by_mistake: str
    take_back: str
    subscribed_again: str
    mail_again: str
    not_found: str
    wrong_link: str
    gone: str
    gone_detail: str
    unavailable: str
    try_again: str


PHRASES = {
    "en": Phrases(
        unsubscribe="Unsubscribe",
        question="No more mail from {sender} to {address}?",
        unsubscribed="You are unsubscribed",
        no_more="{sender} will send no more mail to {address}.",
        by_mistake="Was that a mistake?",
        take_back="Subscribe again",
        subscribed_again="You are subscribed again",
        mail_again="{sender} may send mail to {address}.",
        not_found="This link does not work",
        wrong_link="It may have been cut off. Please open it once more from the message itself.",
        gone="This message is no longer kept here",
        gone_detail="You still have it in your mailbox.",
        unavailable="That did not work",
        try_again="Nothing was changed. Please try again in a minute.",
    ),
    "de": Phrases(
        unsubscribe="Abmelden",
        question="Keine E-Mails mehr von {sender} an {address}?",
        unsubscribed="Sie sind abgemeldet",
        no_more="{sender} sendet keine E-Mails mehr an {address}.",
        by_mistake="War das ein Versehen?",
        take_back="Wieder anmelden",
        subscribed_again="Sie sind wieder angemeldet",
        mail_again="{sender} darf E-Mails an {address} senden.",
        not_found="Dieser Link funktioniert nicht",
        wrong_link="Vielleicht wurde er abgeschnitten. Bitte öffnen Sie ihn noch einmal aus der Nachricht selbst.",
        gone="Diese Nachricht ist hier nicht mehr gespeichert",
        gone_detail="Sie haben sie noch in Ihrem Postfach.",
        unavailable="Das hat nicht funktioniert",
        try_again="Es wurde nichts geändert. Bitte versuchen Sie es in einer Minute noch einmal.",
    ),
    "es": Phrases(
        unsubscribe="Darse de baja",
        question="¿No recibir más correos de {sender} en {address}?",
        unsubscribed="Se ha dado de baja",
        no_more="{sender} no enviará más correos a {address}.",
        by_mistake="¿Ha sido un error?",
        take_back="Volver a suscribirse",
        subscribed_again="Vuelve a estar suscrito",
        mail_again="{sender} puede enviar correos a {address}.",
        not_found="Este enlace no funciona",
        wrong_link="Puede que esté cortado. Ábralo otra vez desde el propio mensaje.",
        gone="Este mensaje ya no se guarda aquí",
        gone_detail="Todavía lo tiene en su buzón.",
        unavailable="No ha funcionado",
        try_again="No se ha cambiado nada. Inténtelo de nuevo dentro de un minuto.",
    ),
    "fr": Phrases(
        unsubscribe="Se désabonner",
        question="Ne plus recevoir de messages de {sender} à l’adresse {address} ?",
        unsubscribed="Vous êtes désabonné",
        no_more="{sender} n’enverra plus de messages à {address}.",
        by_mistake="Était-ce une erreur ?",
        take_back="Se réabonner",
        subscribed_again="Vous êtes de nouveau abonné",
        mail_again="{sender} peut envoyer des messages à {address}.",
        not_found="Ce lien ne fonctionne pas",
        wrong_link="Il a peut-être été coupé. Veuillez l’ouvrir à nouveau depuis le message lui-même.",
        gone="Ce message n’est plus conservé ici",
        gone_detail="Vous l’avez toujours dans votre boîte aux lettres.",
        unavailable="Cela n’a pas fonctionné",
        try_again="Rien n’a été modifié. Veuillez réessayer dans une minute.",
    ),
    "it": Phrases(
        unsubscribe="Annulla l’iscrizione",
        question="Non ricevere più messaggi da {sender} all’indirizzo {address}?",
        unsubscribed="L’iscrizione è annullata",
        no_more="{sender} non invierà più messaggi a {address}.",
        by_mistake="È stato un errore?",
        take_back="Iscriviti di nuovo",
        subscribed_again="L’iscrizione è di nuovo attiva",
        mail_again="{sender} può inviare messaggi a {address}.",
        not_found="Questo link non funziona",
        wrong_link="Forse è stato troncato. Aprilo di nuovo dal messaggio stesso.",
        gone="Questo messaggio non è più conservato qui",
        gone_detail="È ancora nella tua casella di posta.",
        unavailable="Non ha funzionato",
        try_again="Non è stato cambiato nulla. Riprova tra un minuto.",
    ),
    "nl": Phrases(
        unsubscribe="Afmelden",
        question="Geen e-mail meer van {sender} aan {address}?",
        unsubscribed="U bent afgemeld",
        no_more="{sender} stuurt geen e-mail meer aan {address}.",
        by_mistake="Was dat een vergissing?",
        take_back="Opnieuw aanmelden",
        subscribed_again="U bent weer aangemeld",
        mail_again="{sender} mag e-mail sturen aan {address}.",
        not_found="Deze link werkt niet",
        wrong_link="Misschien is hij afgebroken. Open hem nog eens vanuit het bericht zelf.",
        gone="Dit bericht wordt hier niet meer bewaard",
        gone_detail="U hebt het nog in uw mailbox.",
        unavailable="Dat is niet gelukt",
        try_again="Er is niets veranderd. Probeer het over een minuut opnieuw.",
    ),
    "pl": Phrases(
        unsubscribe="Wypisz się",
        question="Nie chcesz więcej wiadomości od {sender} na adres {address}?",
        unsubscribed="Subskrypcja anulowana",
        no_more="{sender} nie wyśle więcej wiadomości na adres {address}.",
        by_mistake="To była pomyłka?",
        take_back="Zapisz się ponownie",
        subscribed_again="Subskrypcja wznowiona",
        mail_again="{sender} może wysyłać wiadomości na adres {address}.",
        not_found="Ten link nie działa",
        wrong_link="Być może został ucięty. Otwórz go jeszcze raz z samej wiadomości.",
        gone="Ta wiadomość nie jest już tu przechowywana",
        gone_detail="Nadal masz ją w swojej skrzynce.",
        unavailable="Nie udało się",
        try_again="Nic nie zostało zmienione. Spróbuj ponownie za minutę.",
    ),
    "pt": Phrases(
        unsubscribe="Cancelar a inscrição",
        question="Não receber mais mensagens de {sender} em {address}?",
        unsubscribed="A inscrição foi cancelada",
        no_more="{sender} não enviará mais mensagens para {address}.",
        by_mistake="Foi um engano?",
        take_back="Inscrever-se novamente",
        subscribed_again="A inscrição está ativa novamente",
        mail_again="{sender} pode enviar mensagens para {address}.",
        not_found="Este link não funciona",
        wrong_link="Talvez tenha sido cortado. Abra-o novamente a partir da própria mensagem.",
        gone="Esta mensagem já não está guardada aqui",
        gone_detail="Você ainda a tem na sua caixa de correio.",
        unavailable="Não funcionou",
        try_again="Nada foi alterado. Tente novamente dentro de um minuto.",
    ),
}
