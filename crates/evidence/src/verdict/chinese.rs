//! What a finding means and what to do about it, in Chinese: verdicts are read by officers of a 区人社局. One sentence for
//! each code, whatever its severity; what was found, where and since when, the finding's own message tells.

/// By code, in alphabetical order.
const MEANINGS: &[(&str, &str)] = &[
    ("altered_claim", "光盘的内容清单被改动，或不是本光盘的：请要求培训机构重新提交录像光盘，并说明原因。"),
    ("altered_picture", "参考画面或画面问题的截图被改动：请要求培训机构重新提交录像光盘，并说明原因。"),
    ("altered_segment", "录像文件被改动：按修改视频资料处理，请培训机构说明并提交原始录像。"),
    ("bad_checkpoint", "签认文件中有无法核验的内容：请要求培训机构重新导出。"),
    ("bad_claim", "光盘的内容清单无法读取：请要求培训机构重新提交录像光盘。"),
    ("bad_record", "有记录被改动，或签名不正确：这份材料不能作为依据，请查明是谁改动的。"),
    ("bad_segment", "有录像记录缺少摄像头或时间，无法找到对应文件：请联系设备维护人员。"),
    ("broken_chain", "录像记录前后不衔接，中间可能少了录像：请培训机构说明。"),
    ("broken_finding", "有画面问题的结束记录没有对应的开始记录：请培训机构说明。"),
    ("broken_rollcall", "有点名的结束记录没有对应的开始记录：请培训机构说明。"),
    ("bureau_key_unchecked", "没有指定区人社局公钥，签认是否属实尚未核对：请用 --bureau-key 加上本局公钥再核验一次。"),
    (
        "cameras_changed",
        "设备重新启动后，原来录像的摄像头少了，或换了类型：请培训机构说明，并核对此后的录像是否仍覆盖全部工位。",
    ),
    ("claim", "这张光盘声明包含的摄像头和时段：请与应提交的范围对照。"),
    ("classes_at_once", "两个班期同时在这间教室上课：请对照两个班期的学员名册和录像，核查是否有人被重复计算。"),
    ("clock_stepped", "设备时钟被大幅调整，前后记录的时间可能不准：请培训机构说明。"),
    ("countersigned", "区人社局已签认的记录数和签认时间：这些记录此后如有改动，都能查出。"),
    ("deleted_early", "有录像在区人社局签认之前就被删除：正常的设备不会这样做，请培训机构说明。"),
    ("deleted_segment", "录像已从设备删除，归档中还有：需要时请培训机构从归档中提交。"),
    ("deleted_unarchived", "录像已从设备删除，也没有归档，这段录像已经没有了：请培训机构说明。"),
    ("entered_late", "录像或课程统计过了很久才写入记录：请培训机构说明当时设备的情况。"),
    ("few_people", "上课期间画面中的人数少于已签到的人数：请回放这些录像，核查是否有人代签或中途离开。"),
    ("film", "设备把视频文件当作摄像头播放，这段时间的录像不是现场画面：请查明原因。"),
    ("foreign_file", "光盘里有不是录像的文件（多为电脑自动生成），未作核验，不影响结论。"),
    ("incomplete_lesson", "有课程没有录全：请对照缺失的摄像头、工位和原因，要求培训机构说明。"),
    ("less_than_planned", "课程统计的时间、摄像头或工位少于计划：请培训机构说明。"),
    ("lesson_dropped", "有课程在开课前不到一天或上课期间被取消：请核对培训机构是否已按规定报备。"),
    ("lessons", "有统计记录的课程数，以及其中录像完整的课程数。"),
    ("lessons_elsewhere", "有课程在其他教室上课：请核验那间教室的设备记录。"),
    (
        "lessons_nowhere",
        "有课程按计划在其他教室上课，却没有任何一台设备的记录统计到它：请查明该课程是否上课、是否录像。",
    ),
    ("lessons_untold", "计划中的课程数与记录中的课程不一致，少了课程：请培训机构说明。"),
    ("long_segment", "有单段录像超过一小时：正常的设备不会这样录制，请培训机构说明。"),
    ("lost_record", "有记录丢失或无法读取：请联系设备维护人员，并要求培训机构说明。"),
    ("lost_segment", "录像文件已丢失，培训机构已登记放弃，这段录像已经没有了：请培训机构说明。"),
    ("marks_coincide", "参考画面上有工位标记几乎重合，两个工位只能算看到一个：请核对标记。"),
    ("marks_reduced", "参考画面上有工位的标记被取消或明显缩小：请核对该工位是否仍在画面内。"),
    ("missing_picture", "光盘上缺少参考画面，无法核对工位标在了哪里：请要求补交。"),
    ("missing_segment", "光盘声明包含的录像缺失：按漏报视频资料处理，请要求补交。"),
    ("mixed_folder", "文件夹里混有班期记录和录像光盘，无法判断是哪一种：请分开后再核验。"),
    ("more", "另有未列出的内容：用 --json 可查看更多。"),
    ("no_account", "计划中的课程已经结束，却没有统计记录：请查明该课程是否上课、是否录像。"),
    ("no_checkpoint", "有记录缺少可以核对的签认：请要求培训机构重新导出。"),
    ("no_claim", "光盘没有内容清单，无法知道应有哪些录像：请要求培训机构重新提交录像光盘。"),
    ("no_proof", "有记录缺少证明：请要求培训机构重新导出。"),
    ("no_receipt", "没有区人社局的签认，这份材料不能作为依据：请要求培训机构连接监管平台后重新导出。"),
    ("no_recordings", "文件夹里没有录像，只核验了记录。"),
    ("no_records", "没有任何记录：请要求培训机构重新导出。"),
    ("no_sound", "有课程按同意文号只录画面、不录声音：请对照本局的同意文件，核对文号、班期和课程数。"),
    ("no_sound_recorded", "有课程的录像没有声音，也没有写明同意文号：不提供音频须经区人社局同意，请培训机构说明。"),
    ("no_workstations", "实操实训课程没有列出工位，无法核对录像是否覆盖全部工位：请培训机构补报工位。"),
    ("nobody_present", "有课程点名时没有一名学员到场：请回放录像，核查该课程是否真的上课。"),
    ("nobody_seen", "有课程从头到尾没有看到任何工位上有人：请回放录像，核查该课程是否真的上课。"),
    ("not_added_up", "仅凭班期记录不能核算录像时间：需要时请核验完整记录或录像光盘。"),
    ("not_archived", "删除记录称录像已归档，却没有归档记录：请要求培训机构提交归档的录像。"),
    ("not_compared", "有签认因前面的记录丢失而无法核对：请联系设备维护人员。"),
    ("not_countersigned", "有记录尚未由区人社局签认，只凭设备自身的签名：请在设备连接监管平台之后再核验一次。"),
    ("not_included", "有记录不在已签名的记录之中：这份材料不能作为依据，请查明来源。"),
    ("not_on_disc", "还有录像不在这张光盘上，光盘也没有声明包含它们。"),
    ("not_under_receipt", "有记录与区人社局签认过的可能不同：这份材料不能作为依据，请查明来源。"),
    ("other_day_segment", "录像文件是另一天的：按修改视频资料处理，请要求提交原始录像。"),
    ("other_limits", "设备的判定标准与默认值不同：请核对是否经区人社局同意。"),
    ("other_segment", "录像文件是另一段录像：按修改视频资料处理，请要求提交原始录像。"),
    ("part_of_log", "这里只有一个班期的记录，是否有遗漏要看完整记录。"),
    ("partial_disc", "光盘没有包含所涉课程的全部录像，少了摄像头或时段：请要求补交。"),
    ("pictures", "光盘上的参考画面和截图数，以及其中与记录一致的数目。"),
    ("planned_too_late", "有课程在计划导入之前已经结束，是否录像无从查证：请培训机构说明。"),
    ("recorded_ahead", "录像等记录所写的结束时间晚于写入的时间，不可能属实：请查明设备时钟是否被改动。"),
    ("records_missing", "有记录被删去：请要求培训机构重新导出并说明。"),
    ("reference_changed", "上课期间更换了参考画面或工位标记：请核对更换前后的工位是否一致。"),
    ("same_file", "两段录像的文件完全相同，其中一段可能是复制的：请培训机构说明。"),
    ("segments", "光盘上的录像文件数，以及其中与录制时完全一致的文件数。"),
    ("swapped_segment", "录像文件被互相调换：按修改视频资料处理，请要求提交原始录像。"),
    ("time_after_receipt", "有记录的时间晚于区人社局签认的时间，被写成了以后的时间：请查明设备时钟是否被改动。"),
    ("time_went_back", "记录的时间倒退，又没有时钟调整的记录：请培训机构说明。"),
    ("truncated", "末尾的记录缺失：请要求培训机构重新导出并说明。"),
    ("two_roots", "设备对同样数目的记录签了两份不同的内容：其中一份是伪造的，请查明来源。"),
    ("unexplained_time", "有上课时间既没有录像，也没有说明原因：请培训机构说明。"),
    ("unknown_picture", "有图片没有对应的记录，不能作为依据：请查明来源。"),
    ("unknown_segment", "有录像文件没有对应的记录，不能作为依据：请查明来源。"),
    ("unreadable", "有文件无法读取：请重新复制光盘再核验；仍无法读取的，请要求重新提交。"),
    ("wrong_account", "课程统计与录像和中断记录不符：不能采信该统计，请查明原因。"),
    ("wrong_claim", "光盘的内容清单是另一台设备的：请要求培训机构重新提交录像光盘。"),
    ("wrong_class", "有记录不属于这个班期：请要求培训机构重新导出。"),
    ("wrong_date", "打卡记录的日期与打卡时间不是同一天：请核对该次打卡。"),
    ("wrong_device", "有记录是另一台设备的：请查明来源。"),
    ("wrong_key", "设备编号与公钥不符：请查明材料来源。"),
    ("wrong_place", "记录被删去、插入或移动：这份材料不能作为依据，请查明是谁改动的。"),
    ("wrong_root", "记录与签认时的内容不同，签认之后被改动过：这份材料不能作为依据，请查明是谁改动的。"),
    ("wrong_segment", "归档或删除记录所指的不是该摄像头此前的录像：请培训机构说明。"),
    ("wrong_verdict", "课程统计的结论与其自身的数字不符：不能采信该结论，请查明原因。"),
    ("zone_changed", "设备的时区设置被更改，前后记录所写的钟点和日期不能直接比较：请培训机构说明。"),
];

/// What a finding of this code means and what to do about it, in a sentence; `None` for a code that is not known.
pub fn chinese(code: &str) -> Option<&'static str> {
    let at = MEANINGS.binary_search_by_key(&code, |(code, _)| *code).ok()?;
    Some(MEANINGS[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => sources(&path, files),
                false => files.extend(Some(path).filter(|path| path.extension().is_some_and(|end| end == "rs"))),
            }
        }
    }

    /// The words in quotes that stand where a finding's code stands.
    fn codes_in(source: &str) -> BTreeSet<&str> {
        const BEFORE: [&str; 8] =
            ["code:", "fail(", "fail_log(", "failure(", "warning(", "note(", "tell(", "Remark::failure("];
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let mut found = BTreeSet::new();
        for (at, _) in source.match_indices('"') {
            let Some((word, behind)) = source[at + 1..].split_once('"') else { continue };
            let before = source[..at].trim_end();
            let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let is_behind_severity =
                ["Note,", "Warning,", "Failure,"].iter().any(|end| before.ends_with(&format!("Severity::{end}")));
            let is_code = BEFORE.iter().any(|end| before.ends_with(end))
                || is_behind_severity
                || (before.ends_with('(') && behind.trim_start_matches([',', ' ', '\n']).starts_with("format!"));
            found.extend(Some(word).filter(|_| is_word && is_code));
        }
        found
    }

    #[test]
    fn every_code_that_is_told_has_its_sentence() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates' folder");
        let mut files = Vec::new();
        ["evidence/src", "bureau/src"].iter().for_each(|folder| sources(&crates.join(folder), &mut files));
        let mut found = BTreeSet::new();
        for file in files {
            let source = std::fs::read_to_string(file).expect("text");
            found.extend(codes_in(&source).into_iter().map(str::to_owned));
        }
        // Of each way to tell one: an end of this test's own means.
        for code in
            ["bad_record", "wrong_root", "film", "no_receipt", "not_countersigned", "no_claim", "swapped_segment"]
        {
            assert!(found.contains(code), "{code} is not found in the sources");
        }
        let without: Vec<_> = found.iter().filter(|code| chinese(code).is_none()).collect();
        assert!(without.is_empty(), "no sentence in Chinese for {without:?}");
    }

    #[test]
    fn the_sentences_are_in_order_and_sentences() {
        assert!(MEANINGS.is_sorted_by(|one, two| one.0 < two.0), "a code is looked up by its place");
        for (code, sentence) in MEANINGS {
            assert!(sentence.ends_with('。') && sentence.chars().count() > 8, "{code}: {sentence}");
        }
        assert!(chinese("altered_segment").is_some_and(|sentence| sentence.starts_with("录像文件被改动")));
        assert_eq!(chinese("some_newer_code"), None);
    }
}
