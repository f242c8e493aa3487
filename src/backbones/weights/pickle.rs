//! A reader of the few pickle opcodes that PyTorch's state dicts are made of.
//!
//! A pickle is a program for a stack machine that can call any function. This machine can call three: it knows by name what
//! a state dict needs (an ordered dictionary, a tensor, a parameter) and refuses everything else, so that nothing in a file is
//! ever executed. Values live in flat arenas: neither deep nesting nor cycles can exhaust the program's own stack.
//! Format: CPython's `Lib/pickletools.py`; PyTorch's `torch/serialization.py` and `torch/_utils.py`.

mod values;

pub(super) use values::{Pickle, StorageRef, StorageType, TensorRef, Value};

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::rc::Rc;
use values::{Global, GlobalRef, known_global};

/// Most values that a call in a state dict passes (`_rebuild_tensor_v2` has seven).
const MAX_ARGUMENTS: usize = 16;

/// Most axes that a tensor may have.
const MAX_RANK: usize = 8;

/// Runs the pickle at the start of `bytes`; returns its arenas, its value and how many bytes it took.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle, Value, usize)> {
    let mut machine = Machine {
        input: bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        pairs_copied: 0,
        out: Pickle::default(),
    };
    loop {
        let opcode = machine.byte()?;
        if opcode == b'.' {
            let value = machine.pop()?;
            return Ok((machine.out, value, machine.at));
        }
        machine.step(opcode)?;
    }
}

struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    /// Pairs copied out of lists, at most as many as there are bytes of input.
    pairs_copied: usize,
    out: Pickle,
}

fn damaged(what: &str) -> Error {
    Error::input(format!("the PyTorch file is damaged: {what}")).with_hint("Download or copy it again")
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x80 => {
                self.byte()?;
            }
            0x95 => {
                self.take(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => {
                let top = self.stack.last().cloned().ok_or_else(|| damaged("its stack is empty"))?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Bool),
            b'J' | b'K' | b'M' | 0x8a | b'G' => self.number(opcode)?,
            b'X' | 0x8c | 0x8d | b'T' | b'U' => self.text(opcode)?,
            b')' | b't' | 0x85..=0x87 | b']' | b'a' | b'e' => self.sequence(opcode)?,
            b'}' | b'd' | b's' | b'u' => self.dict(opcode)?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memo(opcode)?,
            b'c' | 0x93 => self.global(opcode)?,
            b'R' => self.call()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            other => {
                return Err(Error::input(format!(
                    "the PyTorch file holds more than tensors (pickle opcode {other:#04x})"
                ))
                .with_hint(SAVE_STATE_DICT));
            }
        }
        Ok(())
    }

    fn number(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'G' => {
                self.take(8)?;
                Value::Float
            }
            _ => {
                let length = usize::from(self.byte()?);
                let digits = self.take(length)?;
                if length > 8 {
                    return Err(damaged("it holds a whole number of more than 64 bits"));
                }
                let sign = if digits.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
                let mut wide = [sign; 8];
                wide[..length].copy_from_slice(digits);
                Value::Int(i64::from_le_bytes(wide))
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, opcode: u8) -> Result<()> {
        let length = match opcode {
            b'X' | b'T' => u64::from(u32::from_le_bytes(self.array()?)),
            0x8d => u64::from_le_bytes(self.array()?),
            _ => u64::from(self.byte()?),
        };
        let length = usize::try_from(length).map_err(|_| damaged("a text in it is too long"))?;
        let text =
            std::str::from_utf8(self.take(length)?).map_err(|_| damaged("a name in it is not text"))?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn sequence(&mut self, opcode: u8) -> Result<()> {
        if matches!(opcode, b'a' | b'e') {
            let items = if opcode == b'a' { vec![self.pop()?] } else { self.pop_to_mark()? };
            let Some(Value::Sequence(place)) = self.stack.last() else {
                return Err(damaged("it appends to something that is not a list"));
            };
            self.out.sequences[*place].extend(items);
            return Ok(());
        }
        let items = match opcode {
            b')' | b']' => Vec::new(),
            b't' => self.pop_to_mark()?,
            n => {
                let first = self.stack.len().checked_sub(usize::from(n - 0x84));
                self.stack.split_off(first.ok_or_else(|| damaged("its stack is empty"))?)
            }
        };
        self.out.sequences.push(items);
        self.stack.push(Value::Sequence(self.out.sequences.len() - 1));
        Ok(())
    }

    fn dict(&mut self, opcode: u8) -> Result<()> {
        let items = match opcode {
            b'}' => Vec::new(),
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_to_mark()?,
        };
        if items.len() % 2 != 0 {
            return Err(damaged("a dictionary in it has a key without a value"));
        }
        if matches!(opcode, b'}' | b'd') {
            self.new_dict();
        }
        let Some(Value::Dict(place)) = self.stack.last() else {
            return Err(damaged("it sets an item of something that is not a dictionary"));
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            self.out.dicts[*place].push((key, value));
        }
        Ok(())
    }

    fn new_dict(&mut self) {
        self.out.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.out.dicts.len() - 1));
    }

    fn memo(&mut self, opcode: u8) -> Result<()> {
        let place = match opcode {
            b'q' | b'h' => usize::from(self.byte()?),
            b'r' | b'j' => u32::from_le_bytes(self.array()?) as usize,
            _ => self.memo.len(),
        };
        if matches!(opcode, b'h' | b'j') {
            let value = self.memo.get(&place).cloned();
            self.stack.push(value.ok_or_else(|| damaged("it refers to a value that it does not have"))?);
        } else {
            let top = self.stack.last().cloned().ok_or_else(|| damaged("its stack is empty"))?;
            self.memo.insert(place, top);
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<()> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => (module.to_string(), name.to_string()),
                _ => return Err(damaged("it names a function with something that is not text")),
            }
        };
        let global = known_global(&module, &name).ok_or_else(|| {
            Error::input(format!("the PyTorch file wants to use `{module}.{name}`, which is not allowed"))
                .with_hint(SAVE_STATE_DICT)
        })?;
        self.stack.push(Value::Global(GlobalRef(global)));
        Ok(())
    }

    fn call(&mut self) -> Result<()> {
        let (args, function) = (self.pop()?, self.pop()?);
        let (Value::Sequence(args), Value::Global(GlobalRef(function))) = (args, function) else {
            return Err(damaged("it calls something that is not a function"));
        };
        // Counted before it is copied: a few bytes can refer to a long list again and again.
        let args = match &self.out.sequences[args] {
            few if few.len() <= MAX_ARGUMENTS => few.clone(),
            _ => return Err(damaged("it calls a function with too many values")),
        };
        match function {
            Global::OrderedDict => self.ordered_dict(&args),
            Global::RebuildTensor => {
                let tensor = self.tensor(&args)?;
                self.out.tensors.push(tensor);
                self.stack.push(Value::Tensor(self.out.tensors.len() - 1));
                Ok(())
            }
            Global::RebuildParameter => match args.first() {
                Some(Value::Tensor(place)) => {
                    self.stack.push(Value::Tensor(*place));
                    Ok(())
                }
                _ => Err(damaged("a parameter in it is not a tensor")),
            },
            Global::Storage(_) | Global::Dtype => Err(damaged("it calls a number type as a function")),
        }
    }

    /// `OrderedDict()`, or `OrderedDict([[key, value], …])` as Python 2 wrote it.
    fn ordered_dict(&mut self, args: &[Value]) -> Result<()> {
        let mut pairs = Vec::new();
        if let Some(items) = args.first() {
            for pair in self.items(items)? {
                match self.items(pair)? {
                    [key, value] => pairs.push((key.clone(), value.clone())),
                    _ => return Err(damaged("a dictionary in it has a key without a value")),
                }
            }
        }
        self.pairs_copied += pairs.len();
        if self.pairs_copied > self.input.len() {
            return Err(damaged("its dictionaries repeat one another"));
        }
        self.out.dicts.push(pairs);
        self.stack.push(Value::Dict(self.out.dicts.len() - 1));
        Ok(())
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, …)`.
    fn tensor(&self, args: &[Value]) -> Result<TensorRef> {
        let [Value::Storage(storage), Value::Int(offset), shape, strides, ..] = args else {
            return Err(damaged("a tensor in it is incomplete"));
        };
        let whole = |values: &Value| -> Result<Vec<usize>> {
            let one = |v: &Value| match v {
                Value::Int(i) => {
                    usize::try_from(*i).map_err(|_| damaged("a tensor in it has a negative size"))
                }
                _ => Err(damaged("a tensor in it has a size that is not a whole number")),
            };
            let values = self.items(values)?;
            if values.len() > MAX_RANK {
                return Err(damaged("a tensor in it has an impossible shape"));
            }
            values.iter().map(one).collect()
        };
        let (shape, strides) = (whole(shape)?, whole(strides)?);
        if shape.len() != strides.len() {
            return Err(damaged("a tensor in it has an impossible shape"));
        }
        let offset =
            usize::try_from(*offset).map_err(|_| damaged("a tensor in it begins before its values"))?;
        Ok(TensorRef { storage: (**storage).clone(), offset, shape, strides })
    }

    /// Sets attributes. A state dict has `_metadata` (version numbers of its layers), which nothing here needs.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_) | Value::Tensor(_)) => Ok(()),
            _ => Err(Error::input("the PyTorch file holds an object that is not a tensor or a dictionary")
                .with_hint(SAVE_STATE_DICT)),
        }
    }

    /// A storage: `('storage', torch.FloatStorage, key, location, length)`.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let [
            Value::Text(tag),
            Value::Global(GlobalRef(Global::Storage(kind))),
            Value::Text(key),
            _,
            Value::Int(len),
            ..,
        ] = self.items(&id)?
        else {
            return Err(damaged("values in it are not described as PyTorch does"));
        };
        if &**tag != "storage" {
            return Err(damaged("values in it are not described as PyTorch does"));
        }
        let len = usize::try_from(*len).map_err(|_| damaged("a storage in it has a negative length"))?;
        let storage = StorageRef { kind: *kind, key: key.clone(), len };
        self.stack.push(Value::Storage(Rc::new(storage)));
        Ok(())
    }

    fn items(&self, value: &Value) -> Result<&[Value]> {
        match value {
            Value::Sequence(place) => Ok(&self.out.sequences[*place]),
            _ => Err(damaged("it has a single value where a list is due")),
        }
    }

    fn pop(&mut self) -> Result<Value> {
        if self.marks.last().is_some_and(|m| *m >= self.stack.len()) {
            return Err(damaged("its stack is empty"));
        }
        self.stack.pop().ok_or_else(|| damaged("its stack is empty"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.marks.pop().ok_or_else(|| damaged("its stack has no mark"))?;
        if mark > self.stack.len() {
            return Err(damaged("its stack is empty"));
        }
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let input = self.input;
        let bytes = self.at.checked_add(length).and_then(|end| input.get(self.at..end));
        let bytes = bytes.ok_or_else(|| damaged("it ends in the middle"))?;
        self.at += length;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(512).position(|b| *b == b'\n');
        let length = length.ok_or_else(|| damaged("a name in it does not end"))?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }
}

/// What a user does about a file that holds more than a state dict.
const SAVE_STATE_DICT: &str =
    "Only plain state dicts are read, never code: in Python, torch.save(model.state_dict(), \"weights.pth\")";
