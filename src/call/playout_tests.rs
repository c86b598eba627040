//! What was heard, computed by hand.

use super::*;

fn playout() -> Playout {
    let mut playout = Playout::default();
    for id in [1, 2] {
        let asked = CallTime::default();
        playout.expect(Spoken::new(ReplyId(id), Purpose::Answer, None, true, asked));
    }
    playout
}

fn heard(playout: &Playout, id: u32) -> u64 {
    playout.get(ReplyId(id)).expect("the reply is not settled").heard_ms()
}

fn send(playout: &mut Playout, id: u32, ms: u32) -> Option<Mark> {
    playout.sent(ReplyId(id), format!("item{id}"), ms * 8)
}

fn at(playout: &mut Playout, ms: u64) {
    playout.advance(CallTime::from_ms(ms));
}

fn mark(generation: u32, id: u32, ms: u64) -> Mark {
    Mark { generation, reply: ReplyId(id), ms }
}

#[test]
fn time_plays_audio_but_never_more_than_was_sent() {
    let mut playout = playout();
    at(&mut playout, 1_000);
    send(&mut playout, 1, 150);
    at(&mut playout, 1_100);
    assert_eq!(heard(&playout, 1), 100);
    at(&mut playout, 5_000);
    assert_eq!(heard(&playout, 1), 150);
    // What comes after a gap has not been playing during the gap.
    send(&mut playout, 1, 150);
    assert_eq!(heard(&playout, 1), 150);
    at(&mut playout, 5_010);
    assert_eq!(heard(&playout, 1), 160);
}

#[test]
fn replies_play_one_after_another() {
    let mut playout = playout();
    send(&mut playout, 1, 400);
    playout.ended(ReplyId(1));
    send(&mut playout, 2, 400);
    at(&mut playout, 500);
    assert_eq!((heard(&playout, 1), heard(&playout, 2)), (400, 100));
    assert_eq!(playout.unheard_ms(), 300);
}

#[test]
fn a_mark_corrects_the_clock_in_both_directions() {
    let mut playout = playout();
    send(&mut playout, 1, 400);
    playout.ended(ReplyId(1));
    send(&mut playout, 2, 400);
    at(&mut playout, 500);
    playout.mark_returned(mark(0, 1, 200));
    assert_eq!((heard(&playout, 1), heard(&playout, 2)), (200, 0));
    playout.mark_returned(mark(0, 2, 300));
    assert_eq!((heard(&playout, 1), heard(&playout, 2)), (400, 300));
    // An earlier mark that comes late takes nothing back.
    playout.mark_returned(mark(0, 2, 100));
    assert_eq!(heard(&playout, 2), 300);
}

#[test]
fn marks_of_an_older_generation_and_of_unknown_replies_say_nothing() {
    let mut playout = playout();
    send(&mut playout, 1, 400);
    assert_eq!(playout.cut().len(), 2);
    playout.expect(Spoken::new(ReplyId(3), Purpose::Answer, None, true, CallTime::default()));
    assert_eq!(send(&mut playout, 3, 400), Some(mark(1, 3, 400)));
    playout.mark_returned(mark(0, 3, 400));
    playout.mark_returned(mark(1, 9, 400));
    assert_eq!(heard(&playout, 3), 0);
}

#[test]
fn a_mark_is_placed_every_two_hundred_milliseconds_or_so_and_at_the_end() {
    let mut playout = playout();
    assert_eq!(send(&mut playout, 1, 96), None);
    assert_eq!(send(&mut playout, 1, 96), Some(mark(0, 1, 192)));
    assert_eq!(send(&mut playout, 1, 60), None);
    assert_eq!(playout.ended(ReplyId(1)), Some(mark(0, 1, 252)));
    assert_eq!(send(&mut playout, 2, 192), Some(mark(0, 2, 192)));
    assert_eq!(playout.ended(ReplyId(2)), None, "the last mark is at the end already");
}

#[test]
fn pieces_need_not_be_whole_milliseconds() {
    let mut playout = playout();
    for _ in 0..4 {
        playout.sent(ReplyId(1), "item1".to_owned(), 803);
    }
    assert_eq!(playout.ended(ReplyId(1)), None);
    playout.mark_returned(mark(0, 1, 401));
    assert!(playout.take_confirmed().is_some(), "3212 bytes are 401 ms");
}

#[test]
fn the_engine_is_told_what_was_not_heard_of_each_item() {
    let mut playout = playout();
    playout.sent(ReplyId(1), "a".to_owned(), 1_600);
    playout.sent(ReplyId(1), "b".to_owned(), 1_600);
    playout.ended(ReplyId(1));
    playout.sent(ReplyId(2), "c".to_owned(), 1_600);
    at(&mut playout, 250);
    let all = |name: &str| Unheard::All(name.to_owned());
    assert_eq!(playout.unheard_items(), [Unheard::Beyond("b".to_owned(), 50), all("c")]);
    // All that was sent of c was heard, but the engine is still making it.
    at(&mut playout, 600);
    assert_eq!(playout.unheard_items(), [Unheard::Beyond("c".to_owned(), 200)]);
    playout.ended(ReplyId(2));
    assert_eq!(playout.unheard_items(), []);
}

#[test]
fn heard_words_are_whole_and_in_proportion() {
    let mut playout = playout();
    send(&mut playout, 1, 1_000);
    let spoken = playout.get_mut(ReplyId(1)).expect("the reply is not settled");
    spoken.add_words("Grüße aus Köln heute");
    at(&mut playout, 500);
    assert_eq!(playout.get(ReplyId(1)).map(Spoken::heard_text), Some("Grüße aus"));
    at(&mut playout, 100);
    at(&mut playout, 1_000);
    playout.ended(ReplyId(1));
    let heard = playout.get(ReplyId(1)).map(Spoken::heard_text);
    assert_eq!(heard, Some("Grüße aus Köln heute"));
}

#[test]
fn words_are_cut_before_the_word_that_was_broken_off() {
    assert_eq!(cut_between_words("one two three", 3), "one");
    assert_eq!(cut_between_words("one two three", 5), "one");
    assert_eq!(cut_between_words("one two three", 2), "");
    assert_eq!(cut_between_words("one two three", 13), "one two three");
    assert_eq!(cut_between_words("naïve idea", 3), "");
}
