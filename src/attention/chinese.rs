//! What needs attention, in Chinese, and what to do about it.

use super::Attention;
use crate::camera::CameraState;
use evidence::record::{FindingKind, GapCause};

/// Hour and minute of a time in RFC 3339.
fn minute(time: &str) -> &str {
    time.get(11..16).unwrap_or(time)
}

/// What is wrong with what a recording shows, and what to do about it.
pub fn finding_words(what: FindingKind) -> &'static str {
    match what {
        FindingKind::Dark => "画面过暗，请开灯",
        FindingKind::OverExposed => "画面过曝，请检查光线和摄像头设置",
        FindingKind::Blurred => "画面模糊，请清洁镜头、调整对焦",
        FindingKind::Frozen => "画面静止不动，请重新启动摄像头",
        FindingKind::Looped => "画面重复播放，请检查摄像头及其线路",
        FindingKind::Covered => "镜头被遮挡，请移开遮挡物",
        FindingKind::Moved => "摄像头被移动，请转回原位，或重新设定参考画面",
        FindingKind::Replaced => "画面不是原来的场所，请检查摄像头及其线路",
        FindingKind::WorkstationHidden => "工位看不见，请移开遮挡物或调整摄像头",
        FindingKind::FewPeople => "画面中的人数少于签到人数",
        FindingKind::NoRollCall => "尚未课前点名，请教师在打卡屏点名",
    }
}

/// Why nothing is recorded, and what to do about it.
fn cause_words(cause: GapCause) -> &'static str {
    match cause {
        GapCause::CameraAbsent => "摄像头未连接，请检查电源和接线",
        GapCause::CameraStalled => "摄像头没有画面，请重新启动摄像头",
        GapCause::Network => "网络不通，请检查网线和交换机",
        GapCause::DiskFull => "磁盘已满，请联系维护人员",
        GapCause::WriteFailed => "录像无法写入磁盘，请联系维护人员",
        GapCause::ApplianceOff => "设备刚启动，录像即将开始",
        GapCause::ClockStep => "时钟被调整",
        GapCause::OperatorStop => "录像被人工停止",
        GapCause::PlanLate => "计划导入时课程已开始",
    }
}

/// What needs attention, and what to do about it.
pub fn chinese(attention: &Attention) -> String {
    match attention {
        Attention::StatusUnknown { message } => {
            format!("无法读取本机状态，班期、课次和画面异常的情况不明：请检查磁盘，并联系维护人员：{message}")
        }
        Attention::Camera { camera, state, problem } => {
            let state = if *state == CameraState::Stalled { "画面停滞" } else { "未连接" };
            let problem = problem.as_ref().map_or(String::new(), |problem| format!("（{problem}）"));
            format!("摄像头 {camera} {state}{problem}：请检查电源、线缆和网络。")
        }
        Attention::NotRecorded { camera, since, cause } => {
            format!("正在上课，但摄像头 {camera} 自 {} 起没有录像：{}。", minute(since), cause_words(*cause))
        }
        Attention::RecorderHangs { camera } => format!("摄像头 {camera} 的录像程序停滞：请检查录像磁盘。"),
        Attention::WatchHangs => "画面检查程序停滞，摄像头画面无人检查：请检查磁盘，并联系维护人员。".into(),
        Attention::CleanerHangs => "录像清理程序停滞：请检查录像磁盘。".into(),
        Attention::ArchiveHangs => "录像归档程序停滞：请检查归档磁盘、网络共享或存储服务，并查看日志。".into(),
        Attention::NotJournalled { camera, facts } => {
            format!("摄像头 {camera} 有 {facts} 条录像记录无法写入：请检查磁盘，并联系维护人员。")
        }
        Attention::NotWatched { camera } => format!(
            "摄像头 {camera} 正在录像，但画面无法检查：请将关键帧（I 帧）间隔设为 2 秒；画面格式改变后，或参考画面上分辨不出任何东西时，请重新设定参考画面。"
        ),
        Attention::WorkstationsUnseen { class, workstations } => format!(
            "正在上课，但工位 {} 无法判断是否可见（班期 {class}）：请在摄像头页面标出工位（工位号须与计划一致），或调整摄像头。",
            workstations.join("、")
        ),
        Attention::WorkstationsUnmarked { class, workstations } => format!(
            "班期 {class} 即将上课，但计划中的工位 {} 没有在任何摄像头画面中标出：请在摄像头页面标出，工位号须与计划一致。",
            workstations.join("、")
        ),
        Attention::LessonIncomplete {
            class,
            lesson,
            cameras,
            workstations,
            no_roll_call,
            no_camera,
            no_workstations,
        } => {
            let named = |what: &str, names: &[String], why: &str| {
                (!names.is_empty()).then(|| format!("{what} {} {why}", names.join("、")))
            };
            let causes = [
                named("摄像头", cameras, "录像不足"),
                named("工位", workstations, "可见时间不足"),
                no_roll_call.then(|| "没有录到课前点名".into()),
                no_camera.then(|| "没有摄像头录像".into()),
                no_workstations.then(|| "计划没有填写工位，无法证明画面覆盖全部工位".into()),
            ];
            let causes: Vec<String> = causes.into_iter().flatten().collect();
            let colon = if causes.is_empty() { "" } else { "：" };
            let (day, time) = (lesson.get(5..10).unwrap_or(lesson), minute(lesson));
            format!("班期 {class} {day} {time} 的课次录像不完整{colon}{}。详见录像页面。", causes.join("；"))
        }
        Attention::KeyFramesRare { camera, milliseconds } => format!(
            "摄像头 {camera} 用于录像，但关键帧间隔为 {:.1} 秒，画面异常会发现得晚：请在摄像头中将关键帧（I 帧、GOP）间隔设为 2 秒以内。",
            *milliseconds as f64 / 1000.0
        ),
        Attention::SyncAlarm { message } => format!("监管平台核验未通过，已停止上传：{message}"),
        Attention::NotRegistered => "尚未在监管平台注册：向区人社局索取注册码，运行 rollcall register 注册码。".into(),
        Attention::Unsent { records } => format!("{records} 条记录超过一天未获签认：请检查网络。记录不会丢失。"),
        Attention::ClockUnset => "本机时间未经校准，记录会注明：请检查网络对时（NTP）。".into(),
        Attention::DiskLow { free_bytes } => format!("磁盘空间不足，仅剩 {} MB：请联系维护人员。", free_bytes >> 20),
        Attention::RecordingsDiskUnknown => "录像磁盘未挂载，或无法读取其剩余空间：请联系维护人员。".into(),
        Attention::RecordingsDiskFull { free_bytes, .. } => {
            format!("录像磁盘已满（剩余 {} MB），录像已停止；签到不受影响。", free_bytes >> 20)
        }
        Attention::CannotDelete { message } => format!("需要腾出空间，但旧录像不可删除：{message}"),
        Attention::ForeignRecordings { files, first } => {
            format!("录像文件夹中有 {files} 个来历不明或被改动的文件（如 {first}），不予签认：请查明来源并移走。")
        }
        Attention::NotArchived { message } => format!("录像归档失败：{message}"),
        Attention::ArchiveLate { days } => format!(
            "{days} 天前的录像仍未归档：归档线路可能慢于录像速度，请检查网络和 [archive] 的 max_bytes_per_second。"
        ),
        Attention::NotArchivable { segments, first } => format!(
            "有 {segments} 段尚未归档的录像丢失或被改动（如 {first}）：运行 rollcall check 查明；确实无法找回的，用 rollcall recording give-up 登记。"
        ),
        Attention::DiskUnknown => "无法读取磁盘剩余空间：请联系维护人员。".into(),
        Attention::NotEnrolled { class, people, other_model: 0 } => {
            format!("班期 {class} 有 {people} 人未登记人脸：在打卡屏登记，或发放个人二维码。")
        }
        Attention::NotEnrolled { class, people, other_model } => format!(
            "人脸模型已更换：班期 {class} 有 {other_model} 人的人脸是用别的模型登记的，无法识别，共 {people} 人未登记人脸：请重新登记，或发放个人二维码。"
        ),
        Attention::NothingRecorded => "没有任何摄像头在录像，今天的课次不会有视频，也不会完整：请在配置的 [[camera]] 中接入摄像头（record = true）。".into(),
        Attention::NoWorkstations { class, lessons } => format!(
            "班期 {class} 今天有 {lessons} 个实操课次未填写工位：无法证明录像覆盖全部工位，不会完整。请在导入表中填写工位，重新导入。"
        ),
        Attention::NoClass => "尚未导入班期：rollcall class template 生成导入表，填好后 rollcall class import。".into(),
        Attention::Finding { what, camera, workstation, class, since } => {
            let place = match (camera, workstation, class) {
                (Some(camera), Some(workstation), _) => format!("摄像头 {camera} 工位 {workstation} "),
                (Some(camera), None, _) => format!("摄像头 {camera} "),
                (None, _, Some(class)) => format!("班期 {class} "),
                (None, _, None) => String::new(),
            };
            format!("{place}自 {} 起{}。", minute(since), finding_words(*what))
        }
        Attention::AlarmUndelivered { target, problem } => {
            format!("报警无法送达 {target}（{problem}）：请检查网络和 [alarm] 设置，运行 rollcall alarm test。")
        }
        Attention::Trouble { message } => format!("签到记录无法写入：{message}"),
    }
}
